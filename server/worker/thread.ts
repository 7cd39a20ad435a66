// The thread that owns a model: it takes one request at a time and answers it.
import { parentPort, workerData } from 'node:worker_threads';
import { decodeChange } from '../journal/encode.ts';
import type { Piece } from '../model/forward/pieces.ts';
import { containStrays } from '../model/objective/module-scope.ts';
import { Caller } from '../runtime/caller.ts';
import type {
  CallName,
  StrayError,
  WorkerCalls,
  WorkerOptions,
  WorkerReply,
  WorkerRequest,
} from './messages.ts';
import { ModelHost } from './model-host.ts';
import { settled } from './outcome.ts';
import { unpacked } from './packed-points.ts';

const port = parentPort;
if (port === null) throw new Error('thread.ts runs in a worker thread');

const options = workerData as WorkerOptions;
const host = new ModelHost(options);
const caller = new Caller(options.caller);

type Handlers = {
  [Name in CallName]: (
    payload: WorkerCalls[Name]['in'],
  ) => Promise<WorkerCalls[Name]['out']> | WorkerCalls[Name]['out'];
};

const handlers: Handlers = {
  setObjectives: ({ files }) => host.setObjectives(files),
  loadModel: (payload) => host.load(payload),
  tryDevice: () => host.tryDevice(),
  openRun: (payload) => host.openRun(payload),
  closeRun: ({ run }) => host.closeRun(run),
  extend: ({ run, changes }) => host.run(run).extend(changes.map(decodeChange)),
  setSnapshots: ({ run, revisions }) => host.run(run).setSnapshots(revisions),
  settle: ({ run }) => host.run(run).settle(),
  append: ({ run, change, evaluate }) => host.run(run).append(decodeChange(change), evaluate),
  reset: ({ run }) => host.run(run).reset(),
  prepare: ({ run, point }) => host.run(run).prepare(point, 'point'),
  evaluate: (work) => host.run(work.run).evaluate(work),
  outputs: (work) => host.run(work.run).outputs(work),
  read: ({ run, point, tensor }) => host.run(run).read(point, tensor),
  digest: ({ run, revision }) => host.run(run).digest(revision),
  restoreCheckpoint: ({ run, path, identity }) => host.run(run).restoreCheckpoint(path, identity),
  writeCheckpoint: ({ run, path, identity }) =>
    host.run(run).writeCheckpoint(path, identity, () => caller.checkThere()),
  wayToHead: ({ run, from }) => host.run(run).wayToHead(from),
  exportRun: ({ run, revision, format }) => host.run(run).exportAs(format, revision),
  close: () => host.close(),
};

containStrays((objective, error) => {
  const stack = error instanceof Error ? (error.stack ?? error.message) : String(error);
  port.postMessage({ objective, stack } satisfies StrayError);
});

/** Requests are answered in the order they came: a run's weights are never moved by two of them. */
let last: Promise<void> = Promise.resolve();

port.on('message', (request: WorkerRequest) => {
  last = last.then(() => answer(request));
});

async function answer({ id, name, payload }: WorkerRequest): Promise<void> {
  const handler = handlers[name] as (payload: unknown) => unknown;
  const outcome = await settled(() => handler(unpacked(payload)));
  port!.postMessage({ id, outcome } satisfies WorkerReply, outcome.ok ? ownedBuffers(outcome.value) : []);
  if (name === 'close') port!.close();
}

/** Files and tensors change hands instead of being copied, where their memory is theirs alone. */
function ownedBuffers(value: unknown): ArrayBuffer[] {
  const { file, pieces = [] } = (value ?? {}) as { file?: unknown; pieces?: readonly Piece[] };
  const inPieces = pieces.flatMap(({ outputs, tensors }) => [...outputs.values(), ...tensors.values()]);
  const bytes = [value instanceof Uint8Array ? value : file, ...inPieces.map(({ data }) => data)];
  return [...new Set(bytes.filter(isOwned).map(({ buffer }) => buffer))];
}

function isOwned(bytes: unknown): bytes is Uint8Array<ArrayBuffer> {
  return (
    bytes instanceof Uint8Array &&
    bytes.buffer instanceof ArrayBuffer &&
    bytes.byteLength === bytes.buffer.byteLength
  );
}
