// `zeroth train`: a model, a file of rows, a task and a strategy to a tuned model.
import { ZerothCallError } from '../errors.ts';
import { type Context, command } from './command.ts';
import { checkOut } from './export.ts';
import { CommandError, EXIT, toFailure, withNext } from './failure.ts';
import { withoutLinks } from './inputs/linked-model.ts';
import { nearestTo } from './names.ts';
import { addressOf, reach, wayToOwn } from './server/connection.ts';
import { checkOwnServer, startOwnServer } from './server/own-server.ts';
import { namingFlags, type TrainSettings, toTrainSettings, trainGroups, trainNotes } from './train/flags.ts';

/** Reasons of a run that went too far. */
const DIVERGED = ['WEIGHTS_OUT_OF_RANGE', 'RUN_FAILED'];

export const trainCommand = command({
  usage: 'train',
  does: 'tune a language model on the rows of a file, without gradients, and write it as a model of its own',
  flags: trainGroups,
  more: trainNotes,
  fields: { name: '--run', run_id: '--id' },
  endsInOrder: true,
  async run({ flags }, context) {
    try {
      await tune(toTrainSettings(flags, context), context);
    } catch (error) {
      throw explained(error, flags.run !== undefined);
    }
  },
});

/** @param stays of a run that goes on, which a new one does not outlive. */
function explained(error: unknown, stays: boolean): unknown {
  const failure = toFailure(error);
  if (error instanceof ZerothCallError && DIVERGED.includes(error.reason)) {
    const lower = 'a lower --learning-rate may keep it from diverging';
    const next = stays ? `${failure.next}\n${lower}` : lower;
    return new CommandError({ ...failure, exit: EXIT.failed, next }, error);
  }
  const message = namingFlags(failure.message);
  return message === failure.message ? error : new CommandError({ ...failure, message }, error);
}

/** What can be checked without a server is checked before there is one. */
async function tune(settings: TrainSettings, context: Context): Promise<void> {
  const { signal } = context;
  if (!settings.isRemote) checkOwnServer();
  await checkOut(settings.out);
  const [{ findSources }, { readSources }, { openScreen }, { learn }] = await Promise.all([
    import('./inputs/sources.ts'),
    import('./inputs/training-data.ts'),
    import('./train/screen.ts'),
    import('./train/job.ts'),
  ]);
  const { place, tokenizer } = await findSources(settings);
  const sources = await readSources(settings, tokenizer);
  const screen = openScreen(settings.budget, () => performance.now());
  await using stack = new AsyncDisposableStack();
  stack.defer(() => screen.stop());
  const hint = 'after the step under way; Ctrl-C once more leaves at once, without a model';
  signal.addEventListener('abort', () => screen.note('stopping', hint), { once: true });
  const model = place && stack.use(await withoutLinks(place));
  const flags = ['--model-dir', model?.folder ?? '', '--device', settings.device];
  const own = model && stack.use(await startOwnServer(context.file, flags));
  const way = own === undefined ? { flags: settings, context } : wayToOwn(own.address);
  const zeroth = stack.use(await reach(way));
  await using undo = new AsyncDisposableStack();
  const address = own?.address ?? addressOf(settings, context);
  const job = { settings, sources, zeroth, address, screen, signal, undo };
  try {
    await learn(job, model?.file ?? settings.model ?? '');
  } catch (error) {
    throw withNext(error, own === undefined ? await nearestTo(zeroth, error) : undefined);
  }
  undo.move();
}
