// A server of zeroth.v1 that loses answers on demand: a fault that cannot be had from the real one.
// It keeps one run's journal and snapshots, and answers losses that follow from what it was asked.
import {
  type handleUnaryCall,
  Metadata,
  Server,
  ServerCredentials,
  type ServerDuplexStream,
  type ServerReadableStream,
  type ServerWritableStream,
  type ServiceError,
  type sendUnaryData,
  status,
} from '@grpc/grpc-js';
import { connect, type Zeroth } from '../../client/client.ts';
import type { ConnectOptions } from '../../client/connect-options.ts';
import { Any } from '../../proto/gen/google/protobuf/any.ts';
import { Status } from '../../proto/gen/google/rpc/status.ts';
import {
  type CreateDatasetRequest,
  type CreateDatasetResponse,
  DatasetServiceService,
} from '../../proto/gen/zeroth/v1/dataset_service.ts';
import {
  type Entry,
  JournalServiceService,
  type WatchEntriesRequest,
  type WatchEntriesResponse,
} from '../../proto/gen/zeroth/v1/journal_service.ts';
import {
  type DriveRequest,
  type DriveResponse,
  EvaluateRequest,
  OracleServiceService,
  type StepRequest,
  type UpdateRequest,
} from '../../proto/gen/zeroth/v1/oracle_service.ts';
import { RunServiceService } from '../../proto/gen/zeroth/v1/run_service.ts';
import { GetServerInfoResponse, ServerServiceService } from '../../proto/gen/zeroth/v1/server_service.ts';

export type Fault = 'lost request' | 'lost answer';

/** Everything that a loop over it would see. */
export async function collect<Item>(items: AsyncIterable<Item>): Promise<Item[]> {
  const collected: Item[] = [];
  for await (const item of items) collected.push(item);
  return collected;
}

export class StandIn {
  readonly entries: Entry[] = [];
  readonly snapshots: { readonly id: string; readonly revision: bigint }[] = [];
  readonly uploads: CreateDatasetRequest[] = [];
  /** Names of the calls in the order of their arrival. */
  readonly calls: string[] = [];
  /** Which call fails, and how; the first is 1. */
  fault: (call: number) => Fault | Partial<ServiceError> | undefined = () => undefined;
  /** Of a drive, in steps. */
  window = 1;
  /** Whether the answers of a drive wait in `parked` for whoever sends them. */
  parks = false;
  readonly parked: (() => void)[] = [];
  readonly #server = new Server();
  #port = 0;

  static async start(): Promise<StandIn> {
    const standIn = new StandIn();
    await standIn.#listen();
    return standIn;
  }

  connect(options: ConnectOptions = {}): Zeroth {
    const retry = { attemptsMax: 5, totalMsMax: 10_000, delayMs: 1, delayMsMax: 4 };
    return connect(`127.0.0.1:${this.#port}`, { retry, ...options });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.forceShutdown();
  }

  async #listen(): Promise<void> {
    this.#server.addService(OracleServiceService, {
      step: this.#unary('step', (request: StepRequest) => this.#step(request)),
      drive: (call: ServerDuplexStream<DriveRequest, DriveResponse>) => this.#drive(call),
      update: this.#unary('update', (request: UpdateRequest) => this.#update(request)),
      evaluate: this.#unary('evaluate', (request: EvaluateRequest) => this.#evaluate(request)),
      perturb: this.#unary('perturb', () => ({ handle: 'handle', revision: 0n, head: 0n })),
    });
    this.#server.addService(ServerServiceService, { getServerInfo: this.#unary('info', () => serverInfo) });
    this.#server.addService(RunServiceService, {
      createSnapshot: this.#unary('snapshot', (request: { snapshotId: string; revision: bigint }) => {
        this.snapshots.push({ id: request.snapshotId, revision: request.revision });
        return { snapshot: { name: request.snapshotId, revision: request.revision } };
      }),
    });
    this.#server.addService(DatasetServiceService, {
      createDataset: (
        call: ServerReadableStream<CreateDatasetRequest, CreateDatasetResponse>,
        callback: sendUnaryData<CreateDatasetResponse>,
      ) => this.#upload(call, callback),
    });
    this.#server.addService(JournalServiceService, {
      watchEntries: (call: ServerWritableStream<WatchEntriesRequest, WatchEntriesResponse>) =>
        this.#watch(call),
    });
    this.#port = await new Promise((resolve, reject) =>
      this.#server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, port) =>
        error === null ? resolve(port) : reject(error),
      ),
    );
  }

  #nextFault(name: string): Fault | Partial<ServiceError> | undefined {
    this.calls.push(name);
    return this.fault(this.calls.length);
  }

  #unary<Request, Response>(
    name: string,
    handler: (request: Request) => Response,
  ): handleUnaryCall<Request, Response> {
    return (call, callback) => {
      const fault = this.#nextFault(name);
      if (typeof fault === 'object') return callback(fault);
      if (fault === 'lost request') return callback({ code: status.UNAVAILABLE, details: fault });
      const response = handler(call.request);
      if (fault === 'lost answer') return callback({ code: status.UNAVAILABLE, details: fault });
      callback(null, response);
    };
  }

  /** A lost request or answer breaks the stream; an error with a code of its own leaves it open. */
  #drive(call: ServerDuplexStream<DriveRequest, DriveResponse>) {
    call.write({ tag: 0n, answer: { $case: 'window', value: { steps: this.window } } });
    call.on('data', ({ tag, step }: DriveRequest) => {
      const fault = this.#nextFault('step');
      if (typeof fault === 'object') {
        const error = { code: fault.code ?? status.UNKNOWN, message: fault.details ?? '', details: [] };
        return call.write({ tag, answer: { $case: 'error', value: error } });
      }
      const value = fault === 'lost request' ? undefined : this.#step(step!);
      if (fault !== undefined) return call.emit('error', { code: status.UNAVAILABLE, details: fault });
      const answer = () => call.write({ tag, answer: { $case: 'step', value: value! } });
      return this.parks ? this.parked.push(answer) : answer();
    });
    call.on('end', () => call.end());
  }

  #step({ update, evaluate }: StepRequest) {
    return { update: update && this.#update(update), evaluate: evaluate && this.#evaluate(evaluate) };
  }

  #update({ requestId = '', shifts }: UpdateRequest) {
    const known = this.entries.find((entry) => entry.requestId === requestId);
    const entry = known ?? {
      revision: BigInt(this.entries.length + 1),
      change: { $case: 'shifts', value: { shifts } } as const,
      requestId,
      time: undefined,
      digest: Buffer.alloc(32),
    };
    if (known === undefined) this.entries.push(entry);
    return { revision: entry.revision, head: BigInt(this.entries.length), replayed: known !== undefined };
  }

  /** Losses that depend on every bit of the points and the batch, and on the revision. */
  #evaluate(request: EvaluateRequest) {
    const { points, batch } = request;
    const head = BigInt(this.entries.length);
    const rows = batch?.source?.$case === 'dataset' ? batch.source.value.selection : undefined;
    const examples = rows?.$case === 'rows' ? BigInt(rows.value.indices.length) : 100n;
    const results = points.map((point) => {
      const bytes = EvaluateRequest.encode({ ...request, points: [point], revision: head }).finish();
      const loss = bytes.reduce((hash, byte) => (hash * 31 + byte) % 65521, 7) / 65521;
      return {
        loss,
        finite: true,
        examples,
        perExampleLosses: [],
        outputs: {},
        tokens: 0n,
        perExampleTokens: [],
      };
    });
    return { results, revision: head, head, timing: undefined };
  }

  #upload(
    call: ServerReadableStream<CreateDatasetRequest, CreateDatasetResponse>,
    callback: sendUnaryData<CreateDatasetResponse>,
  ) {
    const fault = this.#nextFault('upload');
    if (typeof fault === 'object') return callback(fault);
    (async () => {
      for await (const request of call) this.uploads.push(request);
      const isCommitted = this.uploads.at(-1)?.part?.$case === 'commit';
      const dataset = { name: 'datasets/1', rows: 3n, tensors: [], bytes: 36n, createTime: undefined };
      callback(isCommitted ? null : { code: status.CANCELLED }, { dataset, existed: false });
    })().catch(callback);
  }

  #watch(call: ServerWritableStream<WatchEntriesRequest, WatchEntriesResponse>) {
    const fault = this.#nextFault('watch');
    for (const entry of this.entries.slice(Number(call.request.afterRevision))) {
      call.write({ entry, head: BigInt(this.entries.length) });
      if (fault !== undefined) return void call.emit('error', { code: status.UNAVAILABLE, details: 'lost' });
    }
    call.end();
  }
}

const serverInfo = GetServerInfoResponse.fromPartial({ version: '0' });

/** A service's error with google.rpc details, as a server puts it on the wire. */
export function errorWith(
  code: status,
  details: string,
  anys: readonly { type: string; value: Uint8Array }[],
) {
  const metadata = new Metadata();
  const packed = anys.map(({ type, value }) =>
    Any.create({ typeUrl: `type.googleapis.com/google.rpc.${type}`, value: Buffer.from(value) }),
  );
  const encoded = Status.encode({ code, message: details, details: packed }).finish();
  metadata.set('grpc-status-details-bin', Buffer.from(encoded));
  return { code, details, metadata };
}
