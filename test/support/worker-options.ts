// What a worker is born with, of one thread on the CPU.
import { Caller } from '../../server/runtime/caller.ts';
import { WeightsBudget } from '../../server/worker/budget.ts';
import type { WorkerOptions } from '../../server/worker/messages.ts';

export function workerOptions(changes: Partial<WorkerOptions> = {}): WorkerOptions {
  return {
    runtime: 'capi',
    device: 'cpu',
    strictDevice: false,
    queue: new SharedArrayBuffer(4),
    threads: 1,
    spinning: false,
    rowsPerMicroBatchMax: 16,
    tokensPerMicroBatchMax: 2 ** 20,
    replyBytesMax: 2 ** 20,
    snapshotWayMax: 32,
    objectiveMsMax: 10_000,
    budget: WeightsBudget.of(2 ** 30).shared,
    caller: new Caller().shared,
    ...changes,
  };
}
