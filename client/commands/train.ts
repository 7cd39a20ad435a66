// `zeroth train`: a model, a file of rows, a task and a strategy to a tuned model.
import { access, constants, stat } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { invalid } from '../../server/errors.ts';
import { connect, type Zeroth } from '../client.ts';
import { ZerothCallError } from '../errors.ts';
import { RETRY } from '../retry.ts';
import { UsageError } from './flags.ts';
import { startOwnServer } from './own-server.ts';
import { openScreen } from './screen.ts';
import { findSources } from './sources.ts';
import { namingFlags, readTrainSettings, TRAIN_HELP, type TrainSettings } from './train-flags.ts';
import { learn } from './train-job.ts';
import { readSources } from './training-data.ts';

/** Reasons of a run that went too far. */
const DIVERGED = ['WEIGHTS_OUT_OF_RANGE', 'RUN_FAILED'];

const INTERRUPTED = 130;

/**
 * Resolves with the exit code: 0, 1 failed, 2 the command line is wrong, 130 interrupted and exported all the same.
 * @param command the file of the zeroth command, which also starts servers.
 */
export async function trainCommand(args: readonly string[], command: string): Promise<number> {
  const controller = new AbortController();
  const interrupt = () => {
    if (controller.signal.aborted) process.exit(INTERRUPTED);
    controller.abort();
  };
  process.on('SIGINT', interrupt);
  try {
    const settings = readTrainSettings(args);
    if (settings === undefined) process.stdout.write(TRAIN_HELP);
    else await tune(settings, command, controller.signal);
    return controller.signal.aborted ? INTERRUPTED : 0;
  } catch (error) {
    process.stderr.write(`zeroth train: ${explain(error)}\n`);
    return error instanceof UsageError ? 2 : 1;
  } finally {
    process.off('SIGINT', interrupt);
  }
}

function explain(error: unknown): string {
  if (error instanceof UsageError) return `${error.message}\nzeroth train --help lists the flags`;
  if (error instanceof ZerothCallError && DIVERGED.includes(error.reason))
    return `${error.message}\nA lower --learning-rate may keep it from diverging`;
  return namingFlags(error instanceof Error ? error.message : String(error));
}

/** What can be checked without a server is checked before there is one. */
async function tune(settings: TrainSettings, command: string, signal: AbortSignal): Promise<void> {
  await checkOut(settings.out);
  const { model: place, tokenizer } = await findSources(settings);
  const sources = await readSources(settings, tokenizer);
  const screen = openScreen(settings.budget, () => performance.now());
  await using stack = new AsyncDisposableStack();
  stack.defer(() => screen.stop());
  const hint = 'after the step under way; Ctrl-C once more leaves at once, without a model';
  signal.addEventListener('abort', () => screen.note('stopping', hint), { once: true });
  const flags = ['--model-dir', place?.folder ?? '', '--device', settings.device];
  const own = place && stack.use(await startOwnServer(command, flags));
  const address = own?.address ?? settings.server!;
  const zeroth = stack.use(await reach(address));
  await using undo = new AsyncDisposableStack();
  const job = { settings, sources, zeroth, screen, signal, undo };
  await learn(job, place?.file ?? settings.model);
  undo.move();
}

async function checkOut(out: string): Promise<void> {
  const folder = dirname(resolve(out));
  await access(folder, constants.W_OK).catch(() => {
    throw invalid('--out', 'a file in a folder that can be written to', out);
  });
  if ((await stat(out).catch(() => undefined))?.isDirectory())
    throw invalid('--out', 'a file', `the folder ${out}`);
}

/** A server that does not answer is told of at once, not after half a minute of trying. */
async function reach(address: string): Promise<Zeroth> {
  await using probe = connect(address, { retry: { ...RETRY, attemptsMax: 3, totalMsMax: 2000 } });
  await probe.info({ timeoutMs: 10_000 }).catch((error: Error) => {
    throw new Error(
      `no server answers at ${address} (${error.message}); leave --server out, and one is started`,
    );
  });
  return connect(address);
}
