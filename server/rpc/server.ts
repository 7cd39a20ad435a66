// The gRPC server: services, health, reflection; how it opens and how it ends.
import { Server, ServerCredentials } from '@grpc/grpc-js';
import { HealthImplementation } from 'grpc-health-check';
import { DatasetServiceService } from '../../proto/gen/zeroth/v1/dataset_service.ts';
import { JournalServiceService } from '../../proto/gen/zeroth/v1/journal_service.ts';
import { ModelServiceService } from '../../proto/gen/zeroth/v1/model_service.ts';
import { OracleServiceService } from '../../proto/gen/zeroth/v1/oracle_service.ts';
import { RunServiceService } from '../../proto/gen/zeroth/v1/run_service.ts';
import { ServerServiceService } from '../../proto/gen/zeroth/v1/server_service.ts';
import { TrainingServiceService } from '../../proto/gen/zeroth/v1/training_service.ts';
import type { Config } from '../config.ts';
import { ZerothError } from '../errors.ts';
import type { Log } from '../log.ts';
import { Adapter } from './adapter.ts';
import { datasetService } from './dataset-service.ts';
import { journalService } from './journal-service.ts';
import { modelService } from './model-service.ts';
import { oracleService } from './oracle-service.ts';
import { addReflection } from './reflection.ts';
import { runService } from './run-service.ts';
import { serverService } from './server-service.ts';
import type { Services } from './services.ts';
import { trainingService } from './training-service.ts';

/** Health is per process: every service is there or none is. */
const NAMES = [
  '',
  ...['Server', 'Model', 'Dataset', 'Run', 'Oracle', 'Journal', 'Training'].map(
    (s) => `zeroth.v1.${s}Service`,
  ),
];

type Phase = 'loading' | 'serving' | 'draining';

export class RpcServer {
  readonly #config: Config;
  readonly #server: Server;
  readonly #health: HealthImplementation;
  readonly #draining = new AbortController();
  #phase: Phase = 'loading';

  constructor(parts: Omit<Services, 'adapter'>, log: Log) {
    const { config } = parts;
    this.#config = config;
    this.#server = new Server({
      'grpc.max_receive_message_length': config.messageBytesMax,
      'grpc.max_send_message_length': config.messageBytesMax,
      // Off by default in grpc-js: without it a peer that vanished is never noticed.
      'grpc.keepalive_time_ms': config.keepaliveMs,
      'grpc.keepalive_timeout_ms': config.keepaliveMs,
    });
    const closedBecause = () => this.#closedBecause();
    const adapter = new Adapter({ log, closedBecause, draining: this.#draining.signal });
    this.#addServices({ ...parts, adapter });
    this.#health = new HealthImplementation(Object.fromEntries(NAMES.map((name) => [name, 'NOT_SERVING'])));
    this.#health.addToServer(this.#server);
    addReflection(this.#server);
  }

  /** @returns the port. Calls are refused as loading until `open`. */
  listen(): Promise<number> {
    const { host, port } = this.#config;
    const address = `${host.includes(':') ? `[${host}]` : host}:${port}`;
    return new Promise((resolve, reject) => {
      this.#server.bindAsync(address, ServerCredentials.createInsecure(), (error, bound) => {
        if (error === null) resolve(bound);
        else
          reject(new ZerothError('unavailable', `host, port: cannot listen on ${address}: ${error.message}`));
      });
    });
  }

  open(): void {
    this.#enter('serving');
  }

  /** Refuses new calls, ends watchers, gives the others `shutdownGraceMs`, then cuts them off. */
  async close(): Promise<void> {
    this.#enter('draining');
    this.#draining.abort();
    const grace = setTimeout(() => this.#server.forceShutdown(), this.#config.shutdownGraceMs);
    await new Promise<void>((resolve) => this.#server.tryShutdown(() => resolve()));
    clearTimeout(grace);
  }

  #enter(phase: Phase): void {
    this.#phase = phase;
    for (const name of NAMES) this.#health.setStatus(name, phase === 'serving' ? 'SERVING' : 'NOT_SERVING');
  }

  #closedBecause(): ZerothError | undefined {
    switch (this.#phase) {
      case 'loading':
        return notServing('LOADING', 'the server is replaying its journals');
      case 'draining':
        return notServing('DRAINING', 'the server is going down');
      case 'serving':
        return undefined;
    }
  }

  #addServices(services: Services): void {
    this.#server.addService(ServerServiceService, serverService(services));
    this.#server.addService(ModelServiceService, modelService(services));
    this.#server.addService(DatasetServiceService, datasetService(services));
    this.#server.addService(RunServiceService, runService(services));
    this.#server.addService(OracleServiceService, oracleService(services));
    this.#server.addService(JournalServiceService, journalService(services));
    this.#server.addService(TrainingServiceService, trainingService(services));
  }
}

function notServing(reason: string, message: string): ZerothError {
  return new ZerothError('unavailable', message, { reason, retryAfterMs: 200 });
}
