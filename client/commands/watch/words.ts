// What is said of a course, in the same words on a screen and in lines.
import { duration, whole } from '../output.ts';
import { number } from '../train/screen.ts';
import type { WatchedCourse } from './course.ts';
import type { Target } from './observations.ts';

export type Subject = {
  readonly name: string;
  readonly isTraining: boolean;
  /** `mezo, batches of 16`; empty of a journal. */
  readonly about: string;
  /** Where it was when watching began: what comes until then is of the past. */
  readonly begunAt: number;
  readonly budget: { readonly unit: 'steps' | 'examples'; readonly total: number } | undefined;
};

export function subjectOf(target: Target): Subject {
  if (target.kind === 'journal') {
    const { name, model } = target.run;
    return {
      name,
      isTraining: false,
      about: `its journal, which has no losses; ${model}`,
      begunAt: Number(target.run.revision),
      budget: undefined,
    };
  }
  const { name, plan, step } = target.training;
  const strategy = plan?.strategy?.kind?.$case ?? 'a strategy';
  const kebab = strategy.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
  const budget = plan?.budget && { unit: plan.budget.$case, total: Number(plan.budget.value) };
  const about = `${kebab}, batches of ${whole(plan?.batchSize ?? 0)}`;
  return { name, isTraining: true, about, begunAt: Number(step), budget };
}

/** Whether what is shown is history that still comes. */
export function isBehind({ step, state }: WatchedCourse, { begunAt, isTraining }: Subject): boolean {
  return step < begunAt && (state === 'running' || !isTraining);
}

/** What Ctrl-C does now. */
export function hintOf({ state }: WatchedCourse, { isTraining }: Subject): string {
  if (!isTraining) return 'Ctrl-C leaves';
  return `Ctrl-C leaves; ${state === 'paused' ? 'zeroth resume goes on with it' : 'the training goes on'}`;
}

/** 0 to 1. */
export function shareOf(course: WatchedCourse, { budget }: Subject): number | undefined {
  if (budget === undefined || budget.total === 0) return undefined;
  return Math.min(1, (budget.unit === 'steps' ? course.step : course.examples) / budget.total);
}

/** `step 40 of 100`, or `40 steps, 1,280 of 9,000 examples`. */
export function placeOf(course: WatchedCourse, { budget, isTraining }: Subject): string {
  if (!isTraining) return `revision ${whole(course.revision)}`;
  if (budget?.unit !== 'examples') {
    const total = budget === undefined ? '' : ` of ${whole(budget.total)}`;
    return `step ${whole(course.step)}${total}`;
  }
  return `step ${whole(course.step)}, ${whole(course.examples)} of ${whole(budget.total)} examples`;
}

export function lossOf(course: WatchedCourse, { isTraining }: Subject): string {
  const { recent, recentCount } = course;
  const what = isTraining ? 'loss' : 'size of updates';
  if (recent === undefined) return `${what} -`;
  const shown = isTraining ? number(recent) : recent.toExponential(2);
  return `${what} ${shown}${recentCount > 1 ? ` (mean of the last ${recentCount})` : ''}`;
}

export function ratesOf({ rates }: WatchedCourse, { isTraining }: Subject): string[] {
  if (rates === undefined) return [];
  if (!isTraining) return [`${rate(rates.steps)} updates/s`];
  return [`${rate(rates.steps)} steps/s`, `${rate(rates.examples)} examples/s`];
}

function rate(value: number): string {
  return value < 10 ? value.toFixed(2) : whole(Math.round(value));
}

/** undefined where nobody can say, or where nothing goes on. */
export function leftOf(course: WatchedCourse, subject: Subject): string | undefined {
  const { rates, state } = course;
  const { budget } = subject;
  if (budget === undefined || rates === undefined || state !== 'running') return undefined;
  if (isBehind(course, subject)) return undefined;
  const [done, speed] =
    budget.unit === 'steps' ? [course.step, rates.steps] : [course.examples, rates.examples];
  return speed > 0 ? duration((budget.total - done) / speed) : undefined;
}

export function evaluationOf({
  lastEvaluation: last,
  bestEvaluation: best,
}: WatchedCourse): string | undefined {
  if (last === undefined || best === undefined) return undefined;
  const isBest = best.step === last.step;
  return `held-out loss ${number(last.loss)} at step ${whole(last.step)}${isBest ? ', the best' : ` (best ${number(best.loss)} at step ${whole(best.step)})`}`;
}
