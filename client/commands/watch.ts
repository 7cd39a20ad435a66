// `zeroth watch`: a training, or whatever moves a run, as it goes.
import { once } from 'node:events';
import type { Zeroth } from '../client.ts';
import { type Context, command, type GroupValues } from './command.ts';
import { addressOf, connection, withServer } from './connection.ts';
import { CommandError, EXIT } from './failure.ts';
import { rate, revision, toggle } from './flags.ts';
import { fullName } from './names.ts';
import { print } from './output.ts';
import { runView, trainingView } from './views.ts';
import type { Observation, Target } from './watch/observations.ts';

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
  endsInOrder: true,
  more: () => `Of a run it is the training that the server runs, or ran last; where it has
none, its journal, whoever writes it. Ends with the training: with 0 where it is
complete, 1 where it failed, 130 where it was stopped. Ctrl-C leaves, and what
is watched goes on. A server that is started again meanwhile is waited for.
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
  const { findTarget, isOpen, watchJournal, watchTraining } = await import('./watch/observations.ts');
  const { signal } = context;
  const target = await findTarget(zeroth, name, flags.journal || flags.from !== undefined);
  const observations = () => {
    if (target.kind === 'training') return watchTraining(zeroth, target.training, signal);
    const after = flags.from ?? Math.max(0, Number(target.run.revision) - BACK);
    return watchJournal(zeroth, target.run, { after, signal });
  };
  try {
    if (context.isJson) await asJson(observations(), target);
    else await shown(observations(), target, { flags, context });
  } catch (error) {
    if (signal.aborted) return EXIT.interrupted;
    throw error;
  }
  if (target.kind === 'journal') return EXIT.done;
  const training = await zeroth.trainings.get(target.training.name);
  const { state, stateReason } = trainingView(training);
  if (state === 'failed')
    throw new CommandError({
      code: 'FAILED_PRECONDITION',
      reason: 'TRAINING_FAILED',
      message: `${training.name} failed: ${stateReason}`,
      next: 'what it had done stays in the run; it can be resumed (ResumeTraining) when the reason is mended',
    });
  return state === 'stopped' || isOpen(training) ? EXIT.interrupted : EXIT.done;
}

/** An object a line, at the pace of who reads. */
async function asJson(observations: AsyncIterable<Observation>, target: Target): Promise<void> {
  const line = async (value: object) => {
    if (!process.stdout.write(`${JSON.stringify(value)}\n`)) await once(process.stdout, 'drain');
  };
  const what =
    target.kind === 'training'
      ? { training: trainingView(target.training) }
      : { run: { name: target.run.name, revision: runView(target.run).revision } };
  await line({ event: 'begin', ...what });
  for await (const { kind, timeMs, ...seen } of observations)
    await line({ event: kind, time: new Date(timeMs), ...seen });
}

async function shown(observations: AsyncIterable<Observation>, target: Target, { flags, context }: Given) {
  const { WatchedCourse } = await import('./watch/course.ts');
  const { subjectOf } = await import('./watch/words.ts');
  const [course, subject] = [new WatchedCourse(), subjectOf(target)];
  if (target.kind === 'training') course.state = trainingView(target.training).state;
  if (process.stdout.isTTY !== true || process.env.TERM === 'dumb') {
    const { openLines } = await import('./watch/lines.ts');
    print(`${subject.name}: ${subject.about}`);
    const lines = openLines(subject, course, flags.every * 1000, () => performance.now());
    try {
      for await (const seen of observations) {
        course.add(seen);
        lines.seen(seen);
      }
    } finally {
      lines.end();
    }
    return;
  }
  const [{ openLive }, { drawFrame }] = [await import('./watch/live.ts'), await import('./watch/frame.ts')];
  let seenAt = performance.now();
  const address = addressOf(flags, context);
  const moment = (hint: string) => ({ subject, course, address, quietMs: performance.now() - seenAt, hint });
  const hint = subject.isTraining ? 'Ctrl-C leaves; the training goes on' : 'Ctrl-C leaves';
  const live = openLive(process.stdout, (size) => drawFrame(moment(hint), size));
  try {
    for await (const seen of observations) {
      course.add(seen);
      seenAt = performance.now();
    }
  } finally {
    live.stop();
    // The last picture stays, above the prompt, where it can be scrolled back to.
    const { columns, rows } = process.stdout;
    const last = { ...moment(course.reason), quietMs: 0 };
    print(
      drawFrame(last, { columns, rows: rows - 2 })
        .join('\n')
        .trimEnd(),
    );
  }
}
