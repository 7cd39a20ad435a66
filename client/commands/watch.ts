// `zeroth watch`: a training, or whatever moves a run, as it goes.
import type { Zeroth } from '../client.ts';
import { type Context, command, type GroupValues } from './command.ts';
import { CommandError, EXIT } from './failure.ts';
import { rate, revision, toggle } from './flags.ts';
import { fullName, runOf } from './names.ts';
import { addressOf, connection, withServer } from './server/connection.ts';
import { inCommandsWords } from './server-words.ts';
import { trainingView } from './views.ts';

/** Outlives the restart of a server with large models. */
const WATCH_RETRY = { attemptsMax: 1_000_000, totalMsMax: 600_000 };

/** Revisions of a journal that are shown of what has been. */
const BACK = 10_000;

const groups = {
  Watch: {
    journal: toggle('of a run: its journal, even where the server trains it'),
    from: revision(`the journal behind this revision; default: the last ${BACK.toLocaleString('en')}`),
    every: rate(10, 'seconds between lines, where there is no terminal'),
  },
  Server: connection,
} as const;

type Flags = GroupValues<typeof groups>;

export const watchCommand = command({
  usage: 'watch <NAME>',
  does: 'show how a training goes: of a run, or by its own name (runs/*/trainings/*)',
  flags: groups,
  fields: { after_revision: '--from' },
  endsInOrder: true,
  more: () => `Of a run it is the training that the server runs, or ran last; where it has
none, its journal, whoever writes it. Ends with the training: with 0 where it is
complete, 1 where it failed, 130 where it was stopped. Ctrl-C leaves, and what
is watched goes on; zeroth stop NAME ends a training. A server that is started
again meanwhile is waited for.
`,
  run: ({ args: [given], flags }, context) =>
    withServer(
      { flags, context },
      (zeroth) => watch(zeroth, fullName('runs', given), { flags, context }),
      WATCH_RETRY,
    ),
});

type Given = { readonly flags: Flags; readonly context: Context };

async function watch(zeroth: Zeroth, name: string, { flags, context }: Given): Promise<number> {
  const { asJson, asLines, asPicture, toWatched } = await import('./watch/show.ts');
  const { findTarget, watchJournal, watchTraining } = await import('./watch/observations.ts');
  const { signal } = context;
  const target = await findTarget(zeroth, name, flags.journal || flags.from !== undefined);
  const watched = toWatched(target);
  const observations = () => {
    if (target.kind === 'training') return watchTraining(zeroth, target.training, signal);
    const after = flags.from ?? Math.max(0, Number(target.run.revision) - BACK);
    return watchJournal(zeroth, target.run, { after, signal });
  };
  try {
    if (context.isJson) await asJson(observations(), target);
    else if (process.stdout.isTTY !== true || process.env.TERM === 'dumb')
      await asLines(observations(), watched, flags.every * 1000);
    else await asPicture(observations(), watched, addressOf(flags, context));
  } catch (error) {
    if (!signal.aborted) throw error;
    if (target.kind === 'training' && !context.isJson)
      process.stderr.write(farewell(target.training.name, watched.course));
    return EXIT.interrupted;
  }
  return target.kind === 'journal' ? EXIT.done : endOf(zeroth, target.training.name);
}

/** What is left behind, and how it is ended. */
function farewell(name: string, { state }: { readonly state: string }): string {
  if (state === 'running') return `${name} goes on; zeroth stop ${runOf(name)} ends it\n`;
  if (state === 'paused') return `${name} is paused; zeroth resume ${runOf(name)} goes on with it\n`;
  return '';
}

/** What became of a training, as an exit code. @throws CommandError where it failed. */
async function endOf(zeroth: Zeroth, name: string): Promise<number> {
  const { state, stateReason } = trainingView(await zeroth.trainings.get(name));
  if (state === 'failed')
    throw new CommandError({
      code: 'FAILED_PRECONDITION',
      reason: 'TRAINING_FAILED',
      message: `${name} failed: ${inCommandsWords(stateReason)}`,
      next: `what it had done stays in the run; zeroth resume ${name} goes on when the reason is mended`,
    });
  return state === 'completed' ? EXIT.done : EXIT.interrupted;
}
