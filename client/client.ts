// The TypeScript client: every service of zeroth.v1 behind one channel.
import {
  type CustomObjectiveInfo,
  type GetServerInfoResponse,
  ServerServiceService,
} from '../proto/gen/zeroth/v1/server_service.ts';
import type { CallOptions, Channel, Traffic } from './channel.ts';
import type { ConnectOptions } from './connect-options.ts';
import { type Datasets, datasets } from './datasets.ts';
import { GrpcChannel } from './grpc-channel.ts';
import { type Journal, journal } from './journal.ts';
import { type Judges, judges } from './judges.ts';
import { type Models, models } from './models.ts';
import { type Oracle, oracle } from './oracle.ts';
import { type Runs, runs } from './runs.ts';
import { type Studies, studies } from './studies.ts';
import { type Trainings, trainings } from './trainings.ts';

/** Every call rejects with a ZerothCallError that holds the server's code, reason and fields. */
export class Zeroth {
  /** Models that the server holds. */
  readonly models: Models;
  /** Rows to evaluate on, stored by their content. */
  readonly datasets: Datasets;
  /** Weights on their way, each with a journal. */
  readonly runs: Runs;
  /** What strategies ask of a run: losses, outputs, updates. */
  readonly oracle: Oracle;
  /** What has happened to a run. */
  readonly journal: Journal;
  /** Trainings that the server does by itself. */
  readonly trainings: Trainings;
  /** Black-box problems that clients evaluate. */
  readonly studies: Studies;
  /** Objectives that this process computes for the server. */
  readonly objectives: Judges;
  readonly #channel: Channel;

  /** What `connect` and `openLocal` call. */
  constructor(channel: Channel) {
    this.#channel = channel;
    this.models = models(channel);
    this.datasets = datasets(channel);
    this.runs = runs(channel);
    this.oracle = oracle(channel);
    this.journal = journal(channel);
    this.trainings = trainings(channel);
    this.studies = studies(channel);
    this.objectives = judges(channel);
  }

  /** Version, strategies, objectives, devices and limits of the server. */
  info(options?: CallOptions): Promise<GetServerInfoResponse> {
    return this.#channel.idempotent(ServerServiceService.getServerInfo, {}, options);
  }

  /** Reads the operator's folder of objectives again. @returns all that is there; of a file that is no objective `error` says why. */
  async reloadObjectives(options?: CallOptions): Promise<readonly CustomObjectiveInfo[]> {
    const { reloadObjectives } = ServerServiceService;
    return (await this.#channel.idempotent(reloadObjectives, {}, options)).customObjectives;
  }

  /** What has gone over the wire since the connection was made; nothing, where there is none. */
  get traffic(): Traffic {
    return this.#channel.traffic;
  }

  /** Of `openLocal`: calls that are under way have `shutdownGraceMs` to end. */
  close(): Promise<void> {
    return this.#channel.close();
  }

  /** The same, for `await using`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

/**
 * A client of the server at `host:port`. Nothing is sent before the first call.
 * @example
 * await using zeroth = connect('127.0.0.1:50051');
 * const model = await zeroth.models.load('mlp.onnx');
 */
export function connect(address: string, options: ConnectOptions = {}): Zeroth {
  return new Zeroth(new GrpcChannel(address, options));
}
