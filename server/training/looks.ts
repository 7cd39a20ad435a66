// What evaluations say of a training: when the next one is due, which was the best, and when to give up. Pure.
import type { EvaluationPlan, Look, TrainingStatus } from './plan.ts';

type Looked = Pick<TrainingStatus, 'last' | 'best' | 'worse'>;

/** Before the first step, after every so many, and behind the last one. */
export function isDue(
  plan: Pick<EvaluationPlan, 'every'> | undefined,
  { last }: Pick<Looked, 'last'>,
  { step, isLast }: { readonly step: number; readonly isLast: boolean },
): boolean {
  if (plan === undefined || last?.step === step) return false;
  return isLast || step % plan.every === 0;
}

/** A loss that is not finite is worse than any. */
export function afterLook(
  looked: Looked,
  look: Look,
  { minDelta }: Pick<EvaluationPlan, 'minDelta'>,
): Looked {
  const { best, worse } = looked;
  const isBetter = Number.isFinite(look.loss) && (best === undefined || look.loss < best.loss - minDelta);
  return isBetter ? { last: look, best: look, worse: 0 } : { last: look, best, worse: worse + 1 };
}

export function isOutOfPatience({ worse }: Looked, { patience }: Pick<EvaluationPlan, 'patience'>): boolean {
  return patience > 0 && worse >= patience;
}
