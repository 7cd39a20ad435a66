// The three ways to show observations: for programs, in lines, and as a picture on a terminal.
import { once } from 'node:events';
import { print } from '../output.ts';
import { inCommandsWords } from '../server-words.ts';
import { runView, trainingView } from '../views.ts';
import { WatchedCourse } from './course.ts';
import { drawFrame } from './frame.ts';
import { openLines } from './lines.ts';
import { openLive } from './live.ts';
import type { Observation, Target } from './observations.ts';
import { hintOf, subjectOf } from './words.ts';

type Observations = AsyncIterable<Observation>;

/** What is watched, and where it stands by what has been seen of it. */
export type Watched = { readonly target: Target; readonly course: WatchedCourse };

export function toWatched(target: Target): Watched {
  const course = new WatchedCourse();
  if (target.kind === 'training') course.state = trainingView(target.training).state;
  return { target, course };
}

/** An object a line, at the pace of who reads. */
export async function asJson(observations: Observations, target: Target): Promise<void> {
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

/** Ends with where it stands, however it ends. */
export async function asLines(observations: Observations, { target, course }: Watched, everyMs: number) {
  const subject = subjectOf(target);
  print(`${subject.name}: ${subject.about}`);
  const lines = openLines(subject, course, everyMs, () => performance.now());
  try {
    for await (const seen of observations) {
      course.add(seen);
      lines.seen(seen);
    }
  } finally {
    lines.end();
  }
}

/** The last picture stays, above the prompt, where it can be scrolled back to. */
export async function asPicture(observations: Observations, { target, course }: Watched, address: string) {
  const subject = subjectOf(target);
  let seenAt = performance.now();
  const moment = () => {
    const quietMs = performance.now() - seenAt;
    return { subject, course, address, quietMs, hint: hintOf(course, subject) };
  };
  // The prompt, and before it what is said of an interrupt.
  let below = 3;
  const live = openLive(process.stdout, (size) => drawFrame(moment(), size));
  try {
    for await (const seen of observations) {
      course.add(seen);
      seenAt = performance.now();
    }
    below = 2;
  } finally {
    live.stop();
    const { columns, rows } = process.stdout;
    const last = drawFrame(
      { ...moment(), quietMs: 0, hint: inCommandsWords(course.reason) },
      { columns, rows: rows - below },
    );
    print(last.join('\n').trimEnd());
  }
}
