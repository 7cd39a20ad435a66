// Trials and their points between wire and domain.
import {
  TrialState,
  type StudyEstimate as WireEstimate,
  type ParameterValue as WireParameterValue,
  type TrialPoint as WirePoint,
  type Trial as WireTrial,
} from '../../proto/gen/zeroth/v1/study_service.ts';
import { invalid } from '../errors.ts';
import type { Estimate } from '../study/optimizers/common/optimizer.ts';
import type { StudyPlan, Trial, TrialPoint } from '../study/plan/plan.ts';
import { checkVector } from '../study/space/domain.ts';
import { type Point, toPoint, toVector } from '../study/space/space.ts';
import { renamed } from './renamed.ts';

/** @param path of the point in the request. */
export function toTrialPoint(
  point: WirePoint,
  form: StudyPlan['form'],
  path: string,
): Extract<TrialPoint, { kind: 'vector' }> {
  if (form.kind === 'seed')
    throw invalid(path, 'the number of a trial: others are not taken in the seed form', 'a point');
  const { space } = form;
  const { point: kind } = point;
  if (space.kind === 'box') {
    if (kind?.$case !== 'parameters') throw invalid(path, 'parameters', kind?.$case ?? 'nothing');
    const given = pointOf(kind.value.values);
    try {
      return { kind: 'vector', vector: toVector(space, given), given };
    } catch (error) {
      throw renamed(error, (field) => `${path}.parameters.values["${field.slice('point.'.length)}"]`);
    }
  }
  if (kind?.$case !== 'coordinates') throw invalid(path, 'coordinates', kind?.$case ?? 'nothing');
  const { values } = kind.value;
  checkVector(space, `${path}.coordinates.values`, values);
  return { kind: 'vector', vector: values };
}

function pointOf(values: Readonly<Record<string, WireParameterValue>>): Point {
  const entries = Object.entries(values).map(([name, { kind }]) => [name, kind?.value ?? 'nothing'] as const);
  return Object.fromEntries(entries);
}

export function fromTrial({ number, outcome, point, client, leaseEndMs }: Trial, plan: StudyPlan): WireTrial {
  const isOpen = outcome === undefined;
  return {
    number: BigInt(number),
    state: isOpen ? TrialState.TRIAL_STATE_OPEN : trialStates[outcome.kind],
    point: fromTrialPoint(point, plan.form),
    value: outcome?.kind === 'told' ? outcome.value : undefined,
    reason: outcome?.kind === 'infeasible' ? outcome.reason : '',
    clientId: client,
    leaseEndTime: isOpen ? new Date(leaseEndMs) : undefined,
  };
}

export function fromEstimate(
  { vector, value, standardError, points, evaluations }: Estimate,
  { form }: StudyPlan,
): WireEstimate {
  const point = fromTrialPoint({ kind: 'vector', vector }, form);
  return { point, value, standardError, points: BigInt(points), evaluations: BigInt(evaluations) };
}

const trialStates = {
  told: TrialState.TRIAL_STATE_TOLD,
  infeasible: TrialState.TRIAL_STATE_INFEASIBLE,
} as const;

function fromTrialPoint(point: TrialPoint, form: StudyPlan['form']): WirePoint {
  if (point.kind === 'seed') {
    const { revision, shifts } = point;
    return { point: { $case: 'seed', value: { revision: BigInt(revision), shifts: [...shifts] } } };
  }
  const { vector, given } = point;
  if (form.kind !== 'vector' || form.space.kind !== 'box')
    return { point: { $case: 'coordinates', value: { values: [...vector] } } };
  const values = Object.entries(given ?? toPoint(form.space, vector)).map(([name, value]) => [
    name,
    typeof value === 'number'
      ? { kind: { $case: 'number', value } as const }
      : { kind: { $case: 'category', value } as const },
  ]);
  return { point: { $case: 'parameters', value: { values: Object.fromEntries(values) } } };
}
