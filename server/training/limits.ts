// What a step may ask for and do: no more than a client's request, as one message and one moment of the main thread have to do for both.
import type { Config } from '../config.ts';
import { invalid } from '../errors.ts';
import { decayedTensors } from '../run/decayed-tensors.ts';
import type { Run } from '../run/run.ts';
import type { Point } from '../shift.ts';
import { BIASES_AND_NORMS } from '../strategy/decay.ts';
import type { Action } from '../strategy/strategy.ts';
import type { TrainingPlan } from './plan.ts';

export type StepLimits = Pick<Config, 'pointsPerRequestMax' | 'shiftsPerRequestMax'>;

/** @throws ZerothError naming the limit. */
export function checkPoints(
  points: readonly Point[],
  { pointsPerRequestMax, shiftsPerRequestMax }: StepLimits,
): void {
  check(points.length, pointsPerRequestMax, 'points (pointsPerRequestMax)');
  const shifts = points.reduce((sum, point) => sum + point.shifts.length, 0);
  check(shifts, shiftsPerRequestMax, 'shifts, all points together (shiftsPerRequestMax)');
}

/** @throws ZerothError naming the limit. */
export function checkActions(actions: readonly Action[], { shiftsPerRequestMax }: StepLimits): void {
  for (const action of actions)
    if (action.kind === 'update')
      check(action.shifts.length, shiftsPerRequestMax, 'shifts in an update (shiftsPerRequestMax)');
}

function check(got: number, max: number, what: string): void {
  if (got > max) throw invalid('plan.strategy', `steps of at most ${max} ${what}`, String(got));
}

/** @throws ZerothError where weight decay would leave out all that the run trains. */
export function checkDecays(run: Run, { name, options }: TrainingPlan['strategy']): void {
  const { weightDecay } = options;
  if (weightDecay === undefined || weightDecay === 0) return;
  const field = `plan.strategy.${name.replaceAll('-', '_')}.weight_decay`;
  try {
    decayedTensors(run, { include: [], exclude: BIASES_AND_NORMS }, field);
  } catch (error) {
    if (run.state.kind === 'dormant') throw error;
    throw invalid(
      field,
      `0, as ${run.name} trains biases and norms alone, which do not decay`,
      String(weightDecay),
    );
  }
}
