// A thread that wants the device often, and looks whether anybody else has it meanwhile.
import { workerData } from 'node:worker_threads';
import { DeviceLock } from '../../server/runtime/capi/lock.ts';

const { shared, me, counter, times } = workerData as {
  readonly shared: SharedArrayBuffer;
  readonly me: number;
  readonly counter: SharedArrayBuffer;
  readonly times: number;
};
const lock = new DeviceLock(me, shared);
const [total, overlaps] = [new Int32Array(counter, 0, 1), new Int32Array(counter, 4, 1)];
for (let i = 0; i < times; i++)
  lock.hold(() => {
    // Not atomic: a second thread in here loses counts.
    const before = total[0];
    for (let wait = 0; wait < 50; wait++) if (total[0] !== before) overlaps[0]++;
    total[0] = before + 1;
  });
