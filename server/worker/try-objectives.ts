// The main thread's end of a thread that tries files of the operator before any model's worker sees them.
import { Worker } from 'node:worker_threads';
import { type ObjectiveFile, objectiveFailure } from '../model/objective/operator-objective.ts';
import { notImported, START_MS } from './import-deadline.ts';
import type { ObjectiveFacts, Outcome } from './messages.ts';

/** This file runs from source or compiled; its neighbour has the same ending. */
const THREAD = new URL(
  `./objective-thread${import.meta.url.endsWith('.ts') ? '.ts' : '.js'}`,
  import.meta.url,
);

/**
 * One outcome for each file. A file that ends its thread, or does not load in time, costs the others nothing: they go on in another.
 * @param msMax How long a file may take; 0 is as long as it likes.
 */
export async function tryObjectives(
  files: readonly ObjectiveFile[],
  msMax: number,
): Promise<Outcome<ObjectiveFacts>[]> {
  const outcomes: Outcome<ObjectiveFacts>[] = [];
  while (outcomes.length < files.length) {
    const left = files.slice(outcomes.length);
    const { tried, ended } = await tryInThread(left, msMax);
    outcomes.push(...tried);
    const culprit = left[tried.length];
    if (culprit === undefined) break;
    const { kind, message, details } = objectiveFailure(culprit)(ended);
    outcomes.push({ ok: false, error: { kind, message, details } });
  }
  return outcomes;
}

type Tried = { readonly tried: readonly Outcome<ObjectiveFacts>[]; readonly ended: string };

async function tryInThread(files: readonly ObjectiveFile[], msMax: number): Promise<Tried> {
  // What says where JavaScript cannot be parsed is an experiment of Node.js.
  const execArgv = [...process.execArgv, '--disable-warning=ExperimentalWarning'];
  const worker = new Worker(THREAD, { workerData: { files, msMax }, stdout: true, execArgv });
  worker.stdout.on('data', (printed: Buffer) => process.stderr.write(printed));
  const tried: Outcome<ObjectiveFacts>[] = [];
  const { promise, resolve } = Promise.withResolvers<string>();
  const tooLong = () => resolve(notImported(msMax));
  const wait = (ms: number) => (msMax === 0 ? undefined : setTimeout(tooLong, ms));
  let timer = wait(START_MS + msMax);
  worker.on('message', (outcome: Outcome<ObjectiveFacts>) => {
    clearTimeout(timer);
    timer = wait(msMax);
    tried.push(outcome);
    if (tried.length === files.length) resolve('');
  });
  worker.once('error', (error) => resolve(`it ended its thread: ${error.message}`));
  worker.once('exit', (code) =>
    resolve(
      code === 0
        ? 'its import waits for what never comes: a promise at its top level that nothing is left to resolve'
        : `it ended its thread with code ${code}`,
    ),
  );
  const ended = await promise;
  clearTimeout(timer);
  await worker.terminate();
  return { tried, ended };
}
