// Whose code runs. What a module leaves behind, a timer or a promise that nobody waits for, still runs under its name: when that fails, no call is
// there to fail with it, and it would be the end of the thread, and so of the model and its runs.
import { AsyncLocalStorage } from 'node:async_hooks';

const scope = new AsyncLocalStorage<string>();
let isWatched = false;

/** @param objective Who is to blame for what `work` does, now or later: "custom/*". */
export function withinModule<T>(objective: string, work: () => T): T {
  return scope.run(objective, work);
}

/** Of this thread, from now on. @param tell Who has left what failed, and what that was. */
export function containStrays(tell: (objective: string, error: unknown) => void): void {
  if (isWatched) return;
  isWatched = true;
  const onError = (error: unknown) => {
    const objective = scope.getStore();
    // A bug of ours stays the end of the thread.
    if (objective === undefined) throw error;
    tell(objective, error);
  };
  process.on('uncaughtException', onError);
  process.on('unhandledRejection', onError);
  process.exit = (code) => {
    throw new Error(`process.exit(${code ?? ''}) is not for an objective: the thread has other work`);
  };
}
