// What is new among the values of a request.
import { counted, invalid, ZerothError } from '../../errors.ts';
import type { Outcome, Trial, TrialPoint, Value } from '../plan/plan.ts';
import type { Settled } from './ledger.ts';

/** A value, and its place among those of its request that nobody asked for. */
export type PlacedValue = Value & { readonly place: number; readonly index: number };

/** The study as far as values are concerned. */
export type Told = {
  readonly name: string;
  readonly trials: number;
  readonly trialsMax: number;
  readonly find: (number: number) => Trial | undefined;
  /** Points that were told with the same request id before, in order. */
  readonly before: readonly Trial[];
};

export function placedOf(values: readonly Value[]): PlacedValue[] {
  let place = 0;
  return values.map((value, index) => ({ ...value, index, place: 'point' in value.of ? place++ : -1 }));
}

/** The same again is no news. @throws ZerothError naming the value that cannot be. */
export function settle(
  study: Told,
  values: readonly PlacedValue[],
): { readonly settled: readonly Settled[]; readonly numbers: readonly number[] } {
  const settled = new Map<number, Settled>();
  let added = 0;
  const numbers = values.map((value) => {
    const { outcome, index } = value;
    const trial = knownOf(study, value) ?? newTrial(study, value, ++added);
    const earlier = trial.outcome ?? settled.get(trial.number)?.outcome;
    if (earlier !== undefined) checkSame(study.name, trial.number, earlier, outcome, index);
    else {
      const { number, candidate, point } = trial;
      settled.set(number, { number, candidate, point, outcome });
    }
    return trial.number;
  });
  return { settled: [...settled.values()], numbers };
}

function knownOf(study: Told, { of, place, index }: PlacedValue): Trial | undefined {
  if ('trial' in of) {
    const trial = study.find(of.trial);
    if (trial !== undefined) return trial;
    const expected = study.trials === 0 ? 'of which there are none' : `1 to ${study.trials}`;
    throw invalid(`values[${index}].trial`, `a trial of ${study.name}, ${expected}`, String(of.trial));
  }
  const before = study.before[place];
  if (before !== undefined && !isSamePoint(before.point, of.point))
    throw new ZerothError(
      'request-id-reused',
      `values[${index}].point: expected that of trial ${before.number} of ${study.name}, told with this request_id, got another one`,
      { field: `values[${index}].point`, resource: study.name },
    );
  return before;
}

function newTrial(study: Told, { of, index }: PlacedValue, added: number) {
  const number = study.trials + added;
  const field = `values[${index}].point`;
  if (number > study.trialsMax)
    throw new ZerothError(
      'exhausted',
      `${field}: ${study.name} has ${counted(study.trialsMax, 'trial')} (trialsPerStudyMax)`,
      { field, resource: study.name },
    );
  const { point } = of as { readonly point: Settled['point'] };
  return { number, candidate: undefined, point, outcome: undefined };
}

/** As they were told. */
function isSamePoint(one: TrialPoint, other: TrialPoint): boolean {
  if (one.kind === 'seed' || other.kind === 'seed') return false;
  if (one.given !== undefined && other.given !== undefined) {
    const { given } = other;
    return Object.entries(one.given).every(([name, value]) => given[name] === value);
  }
  return one.vector.every((x, i) => x === other.vector[i]);
}

/** The first value stays. Two that are infeasible are the same, whatever their reasons. */
function checkSame(study: string, number: number, told: Outcome, outcome: Outcome, index: number): void {
  if (told.kind === 'infeasible' && outcome.kind === 'infeasible') return;
  if (told.kind === 'told' && outcome.kind === 'told' && told.value === outcome.value) return;
  const [was, is] = [told, outcome].map((each) => (each.kind === 'told' ? `${each.value}` : 'infeasible'));
  const field = `values[${index}]`;
  throw new ZerothError(
    'trial-told',
    `${field}: expected ${was}, which trial ${number} of ${study} was told, got ${is}`,
    { field, resource: study },
  );
}
