// Where a study stands, as a pure function of what it was asked and told. Changes are kept one by one, and a restart makes them again from the
// last state that was written: writing all of an optimizer's state with every trial would cost more than the trial.
import type { Shift } from '../../shift.ts';
import type { Estimate } from '../optimizers/common/optimizer.ts';
import type { Pieces } from '../optimizers/common/pieces.ts';
import type { Asked, Method, ToldLoss } from '../plan/method.ts';
import type { StudyPlan, Trial } from '../plan/plan.ts';

/** Plain data. */
export type Ledger = {
  /** The method's. */
  readonly state: unknown;
  readonly trials: number;
  /** Infeasible ones among them. */
  readonly told: number;
  readonly infeasible: number;
  readonly best: { readonly number: number; readonly value: number } | undefined;
  /** Updates of a seed study. */
  readonly revision: number;
};

/** How many new trials the method was asked for, or the numbers of those that were told. */
export type Change = { readonly ask: number } | { readonly tell: readonly number[] };

/** A trial with its outcome. */
export type Settled = Pick<Trial, 'number' | 'candidate' | 'point'> & {
  readonly outcome: NonNullable<Trial['outcome']>;
};

export type AfterAsk = { readonly ledger: Ledger; readonly asked: readonly Asked[] };
export type AfterTell = { readonly ledger: Ledger; readonly updates: readonly (readonly Shift[])[] };

export function openLedger(method: Method<unknown>): Ledger {
  return { state: method.start(), trials: 0, told: 0, infeasible: 0, best: undefined, revision: 0 };
}

export function* afterAsk(
  method: Method<unknown>,
  plan: StudyPlan,
  ledger: Ledger,
  count: number,
): Pieces<AfterAsk> {
  const { state, asked } = yield* method.ask(ledger.state, count, leftOf(plan, ledger));
  return { ledger: { ...ledger, state, trials: ledger.trials + asked.length }, asked };
}

export function* afterTell(
  method: Method<unknown>,
  plan: StudyPlan,
  ledger: Ledger,
  settled: readonly Settled[],
): Pieces<AfterTell> {
  const isMaximized = plan.direction === 'maximize';
  const losses = settled.map(
    ({ candidate: id, point, outcome }): ToldLoss => ({
      id,
      point,
      loss: outcome.kind === 'infeasible' ? Number.NaN : isMaximized ? 0 - outcome.value : outcome.value,
    }),
  );
  const { state, updates } = yield* method.tell(ledger.state, losses);
  const summed = settled.reduce((sum, each) => withOutcome(sum, each, isMaximized), ledger);
  return { ledger: { ...summed, state, revision: ledger.revision + updates.length }, updates };
}

/** Infinity where there is no budget. */
function leftOf({ trials }: StudyPlan, ledger: Ledger): number {
  return trials === undefined ? Infinity : trials - ledger.trials;
}

export function isComplete(method: Method<unknown>, plan: StudyPlan, ledger: Ledger): boolean {
  const { told, trials, state } = ledger;
  if (isReached(method, plan, ledger)) return true;
  return told === trials && method.isSpent(state, leftOf(plan, ledger));
}

function isReached(method: Method<unknown>, plan: StudyPlan, ledger: Ledger): boolean {
  const { target, direction, noise } = plan;
  if (target === undefined) return false;
  const best = noise === undefined ? ledger.best : estimateOf(method, plan, ledger);
  return best !== undefined && !isBetter(target, best.value, direction === 'maximize');
}

/** Of a study whose values are noisy, once it has learned anything: a single value says little there, and the best one less. */
export function estimateOf(method: Method<unknown>, plan: StudyPlan, ledger: Ledger): Estimate | undefined {
  const estimate = plan.noise && method.estimate?.(ledger.state);
  if (estimate === undefined || plan.direction === 'minimize') return estimate;
  return { ...estimate, value: 0 - estimate.value };
}

function withOutcome(ledger: Ledger, { number, candidate, outcome }: Settled, isMaximized: boolean): Ledger {
  const { best } = ledger;
  const trials = candidate === undefined ? ledger.trials + 1 : ledger.trials;
  const counted = { ...ledger, trials, told: ledger.told + 1 };
  if (outcome.kind === 'infeasible') return { ...counted, infeasible: ledger.infeasible + 1 };
  const { value } = outcome;
  return best === undefined || isBetter(value, best.value, isMaximized)
    ? { ...counted, best: { number, value } }
    : counted;
}

export function isBetter(value: number, than: number, isMaximized: boolean): boolean {
  return isMaximized ? value > than : value < than;
}
