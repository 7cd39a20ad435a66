// The same for who has no terminal: a line every so often, and one for whatever is rare.
import { duration, print, whole } from '../output.ts';
import { inCommandsWords } from '../server-words.ts';
import { number } from '../train/screen.ts';
import type { WatchedCourse } from './course.ts';
import type { Observation } from './observations.ts';
import { leftOf, lossOf, placeOf, ratesOf, type Subject } from './words.ts';

/** A server that says nothing for so long may be away; of a large model a step takes less. */
const QUIET_MS = 30_000;

/** @param everyMs between two lines about steps. @param now milliseconds. */
export function openLines(subject: Subject, course: WatchedCourse, everyMs: number, now: () => number) {
  let shownAt = now();
  let shownStep = -1;
  const line = () => {
    shownAt = now();
    shownStep = course.step;
    const left = leftOf(course, subject);
    const parts = [placeOf(course, subject), lossOf(course, subject), ...ratesOf(course, subject)];
    if (subject.isTraining) parts.push(`revision ${whole(course.revision)}`);
    if (left !== undefined) parts.push(`about ${left} left`);
    print(parts.join(', '));
  };
  const complain = () =>
    process.stderr.write(`nothing has come for ${duration(QUIET_MS / 1000)}; still waiting\n`);
  const quiet = setTimeout(complain, QUIET_MS);
  return {
    /** After the course has it. */
    seen(observation: Observation): void {
      quiet.refresh();
      if (observation.kind === 'evaluation')
        print(`step ${whole(observation.step)}, held-out loss ${number(observation.loss)}`);
      else if (observation.kind === 'state')
        print(
          [observation.state, inCommandsWords(observation.reason)].filter((each) => each !== '').join(': '),
        );
      else if (observation.kind === 'entry' && observation.change === 'rollback')
        print(`revision ${whole(observation.revision)} is a rollback`);
      else if (now() - shownAt >= everyMs) line();
    },
    /** Where it stands, unless the last line has said so. */
    end(): void {
      clearTimeout(quiet);
      if (course.step > 0 && shownStep !== course.step) line();
    },
  };
}
