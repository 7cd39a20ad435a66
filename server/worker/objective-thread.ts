// Tries files of the operator one after the other, in a thread that can be ended where one of them does not come to an end.
import { parentPort, workerData } from 'node:worker_threads';
import { containStrays } from '../model/objective/module-scope.ts';
import type { ObjectiveFile } from '../model/objective/operator-objective.ts';
import { loadObjective } from './load-objective.ts';
import type { ObjectiveFacts } from './messages.ts';
import { settled } from './outcome.ts';

const { files, msMax } = workerData as { readonly files: readonly ObjectiveFile[]; readonly msMax: number };

// By the time that a timer fails, another file is being tried: a model's worker tells of it.
containStrays(() => undefined);

/** Not awaited: a thread that has nothing left to wait for ends, whatever a module's import waits for. */
void (async () => {
  for (const file of files) {
    const outcome = await settled(async (): Promise<ObjectiveFacts> => {
      const { description, needs, isPerExample } = await loadObjective(file, msMax);
      return { description, needs, isPerExample };
    });
    parentPort!.postMessage(outcome);
  }
})();
