// Code that is not ours, with an end to it: a loop in it would keep a model's thread for good, which must not be terminated.
import { Script } from 'node:vm';

let current: () => unknown = () => undefined;

/** V8 ends what a script calls, however deep, by a watchdog: a thread for each call (`npm run bench -- objective.call`). */
const SCRIPT = new Script('globalThis[Symbol.for("zeroth.deadline")]()', { filename: 'zeroth-deadline' });
Object.defineProperty(globalThis, Symbol.for('zeroth.deadline'), { value: () => current() });

/** Its work took longer than it may. */
export class DeadlineExceeded extends Error {}

/**
 * Calls `work`, which must not wait for anything.
 * @param msMax 0 is no deadline.
 * @throws DeadlineExceeded, or what the work throws.
 */
export function withDeadline<T>(msMax: number, work: () => T): T {
  if (msMax === 0) return work();
  current = work;
  try {
    return SCRIPT.runInThisContext({ timeout: msMax }) as T;
  } catch (error) {
    if ((error as { code?: unknown } | null)?.code === 'ERR_SCRIPT_EXECUTION_TIMEOUT')
      throw new DeadlineExceeded(`it took longer than ${msMax} ms (objectiveMsMax)`);
    throw error;
  } finally {
    current = () => undefined;
  }
}
