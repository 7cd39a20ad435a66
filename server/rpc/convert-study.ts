// Studies between wire and domain. The tables of server/study say what options an optimizer has.
import {
  type OptimizerInfo,
  RangeScale,
  StudyDirection,
  TrialState,
  type BoxSpace as WireBox,
  type OptimizerChoice as WireOptimizer,
  type SpaceParameter as WireParameter,
  type ParameterValue as WireParameterValue,
  type StudyPlan as WirePlan,
  type TrialPoint as WirePoint,
  type SeedForm as WireSeedForm,
  type Trial as WireTrial,
  type VectorForm as WireVectorForm,
} from '../../proto/gen/zeroth/v1/study_service.ts';
import { invalid, ZerothError } from '../errors.ts';
import { type Fields, readOptions } from '../strategy/fields.ts';
import { type OptimizerName, optimizerNames, optimizerOf } from '../study/optimizers.ts';
import type { Parameter } from '../study/parameter.ts';
import type { SeedForm, StudyPlan, Trial, TrialPoint, VectorForm } from '../study/plan.ts';
import { checkSpace, type Point, type Space, toPoint, toVector } from '../study/space.ts';
import { fromTable, toNumber, toTable } from './convert.ts';
import { fromStrategy, snake, toFieldInfos, toStrategy } from './convert-strategy.ts';

export function toStudyPlan(plan: WirePlan | undefined): StudyPlan {
  if (plan === undefined) throw invalid('plan', 'a plan', 'none');
  const { direction, form, trials, target } = plan;
  if (form === undefined) throw invalid('plan.form', 'vector or seed', 'neither');
  if (trials < 0n) throw invalid('plan.trials', 'a number of trials, 0 or more', String(trials));
  if (direction === StudyDirection.UNRECOGNIZED)
    throw invalid('plan.direction', 'minimize (1) or maximize (2)', String(direction));
  return {
    direction: direction === StudyDirection.STUDY_DIRECTION_MAXIMIZE ? 'maximize' : 'minimize',
    form: form.$case === 'vector' ? toVectorForm(form.value) : toSeedForm(form.value),
    trials: trials === 0n ? undefined : toNumber(trials, 'plan.trials'),
    target,
  };
}

export function fromStudyPlan({ direction, form, trials, target }: StudyPlan): WirePlan {
  return {
    direction:
      direction === 'maximize'
        ? StudyDirection.STUDY_DIRECTION_MAXIMIZE
        : StudyDirection.STUDY_DIRECTION_MINIMIZE,
    form:
      form.kind === 'vector'
        ? { $case: 'vector', value: fromVectorForm(form) }
        : { $case: 'seed', value: fromSeedForm(form) },
    trials: BigInt(trials ?? 0),
    target,
  };
}

function toSeedForm({ dimensions, table, strategy }: WireSeedForm): SeedForm {
  const { name, options } = toStrategy(strategy, 'plan.seed.strategy');
  return {
    kind: 'seed',
    dimensions: toNumber(dimensions, 'plan.seed.dimensions'),
    table: toTable(table, 'plan.seed.table'),
    strategy: { name, options },
  };
}

function fromSeedForm({ dimensions, table, strategy }: SeedForm): WireSeedForm {
  return { dimensions: BigInt(dimensions), table: fromTable(table), strategy: fromStrategy(strategy) };
}

function toVectorForm({ space: wire, optimizer }: WireVectorForm): VectorForm {
  if (wire === undefined) throw invalid('plan.vector.space', 'box or free', 'neither');
  return { kind: 'vector', space: toSpace(wire), optimizer: toOptimizer(optimizer) };
}

function toSpace(wire: NonNullable<WireVectorForm['space']>): Space {
  const space: Space =
    wire.$case === 'box'
      ? { kind: 'box', parameters: toParameters(wire.value) }
      : { kind: 'vector', start: wire.value.start, scale: wire.value.scale ?? 1 };
  try {
    checkSpace(space);
  } catch (error) {
    throw renamed(
      error,
      (field) => `plan.vector.${wire.$case}.${wire.$case === 'box' ? inList(field, wire.value) : field}`,
    );
  }
  return space;
}

/** What the domain has by name, the wire has in a list: `parameters.x.min` is `parameters[0].float.min`. */
function inList(field: string, { parameters }: WireBox): string {
  const i = parameters.findIndex(
    ({ name }) => field === `parameters.${name}` || field.startsWith(`parameters.${name}.`),
  );
  if (i === -1) return field;
  const { name, range } = parameters[i];
  return `parameters[${i}].${range?.$case}${field.slice(`parameters.${name}`.length)}`;
}

function fromVectorForm({ space, optimizer }: VectorForm): WireVectorForm {
  return {
    space:
      space.kind === 'box'
        ? { $case: 'box', value: { parameters: Object.entries(space.parameters).map(fromParameter) } }
        : { $case: 'free', value: { start: [...space.start], scale: space.scale } },
    optimizer: fromOptimizer(optimizer),
  };
}

function toParameters({ parameters }: WireBox): Record<string, Parameter> {
  const named = parameters.map(({ name, range }, i) => {
    const field = `plan.vector.box.parameters[${i}]`;
    if (parameters.findIndex((each) => each.name === name) !== i)
      throw invalid(`${field}.name`, 'a name of its own', JSON.stringify(name));
    return [name, toParameter(range, field)] as const;
  });
  return Object.fromEntries(named);
}

function toParameter(range: WireParameter['range'], field: string): Parameter {
  switch (range?.$case) {
    case 'float':
      return { kind: 'float', ...range.value, scale: toScale(range.value.scale, `${field}.float`) };
    case 'integer': {
      const { min, max, scale, start } = range.value;
      return {
        kind: 'integer',
        min: toNumber(min, `${field}.integer.min`),
        max: toNumber(max, `${field}.integer.max`),
        scale: toScale(scale, `${field}.integer`),
        start: start === undefined ? undefined : toNumber(start, `${field}.integer.start`),
      };
    }
    case 'category':
      return { kind: 'category', ...range.value };
    case undefined:
      throw invalid(`${field}.range`, 'a float, an integer or a category', 'none of them');
  }
}

function toScale(scale: RangeScale, field: string): 'linear' | 'log' {
  if (scale === RangeScale.UNRECOGNIZED)
    throw invalid(`${field}.scale`, 'linear (1) or log (2)', String(scale));
  return scale === RangeScale.RANGE_SCALE_LOG ? 'log' : 'linear';
}

function fromParameter([name, parameter]: readonly [string, Parameter]): WireParameter {
  if (parameter.kind === 'category') {
    const { choices, start } = parameter;
    return { name, range: { $case: 'category', value: { choices: [...choices], start } } };
  }
  const { min, max, start } = parameter;
  const scale = parameter.scale === 'log' ? RangeScale.RANGE_SCALE_LOG : RangeScale.RANGE_SCALE_LINEAR;
  if (parameter.kind === 'float')
    return { name, range: { $case: 'float', value: { min, max, scale, step: parameter.step, start } } };
  const whole = {
    min: BigInt(min),
    max: BigInt(max),
    start: start === undefined ? undefined : BigInt(start),
  };
  return { name, range: { $case: 'integer', value: { ...whole, scale } } };
}

function toOptimizer(choice: WireOptimizer | undefined): VectorForm['optimizer'] {
  const name = optimizerNames.find((each) => each === choice?.name);
  const field = 'plan.vector.optimizer';
  if (name === undefined)
    throw invalid(
      `${field}.name`,
      `an optimizer among ${optimizerNames.join(', ')}`,
      JSON.stringify(choice?.name ?? ''),
    );
  const { fields } = optimizerOf(name);
  try {
    return { name, options: readOptions(fields, toOptions(fields, choice!.options)) };
  } catch (error) {
    throw renamed(error, (option) => `${field}.options["${snake(option)}"]`);
  }
}

/** Seeds that are left out are 0, as those of strategies are. */
function toOptions(fields: Fields, given: WireOptimizer['options']): Record<string, unknown> {
  const options: Record<string, unknown> = {};
  for (const [name, { type, presence }] of Object.entries(fields))
    if (type.kind === 'seed' && presence === 'required') options[name] = 0n;
  for (const [name, { kind }] of Object.entries(given)) {
    const option = name.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase());
    const isSeed = Object.hasOwn(fields, option) && fields[option].type.kind === 'seed';
    const isCount = isSeed && kind?.$case === 'number' && Number.isSafeInteger(kind.value);
    options[option] = isCount ? BigInt(kind.value) : kind?.value;
  }
  return options;
}

function fromOptimizer({ name, options }: VectorForm['optimizer']): WireOptimizer {
  const given = Object.entries(options).filter(([, value]) => value !== undefined);
  return {
    name,
    options: Object.fromEntries(given.map(([each, value]) => [snake(each), fromOption(value)])),
  };
}

function fromOption(value: unknown): WireOptimizer['options'][string] {
  switch (typeof value) {
    case 'number':
      return { kind: { $case: 'number', value } };
    case 'boolean':
      return { kind: { $case: 'flag', value } };
    case 'bigint':
      return { kind: { $case: 'seed', value } };
    default:
      return { kind: { $case: 'text', value: String(value) } };
  }
}

export function toOptimizerInfo(name: OptimizerName): OptimizerInfo {
  const { title, paper, doc, fields, dimensionMax, domains } = optimizerOf(name);
  return {
    name,
    title,
    paper,
    description: doc,
    fields: toFieldInfos(fields),
    dimensionsMax: dimensionMax,
    spaces: domains.map((kind) => (kind === 'box' ? 'box' : 'free')),
  };
}

/** An error about a field of the domain as one about a field of the request: its message begins with the name. */
function renamed(error: unknown, toField: (field: string) => string): unknown {
  if (!(error instanceof ZerothError) || error.details.field === undefined) return error;
  const { kind, message, details } = error;
  const { field: name = '' } = details;
  const field = toField(name);
  return new ZerothError(kind, `${field}${message.slice(name.length)}`, { ...details, field }, error);
}

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
  const { length } = space.start;
  if (values.length !== length)
    throw invalid(`${path}.coordinates.values`, `${length} numbers`, String(values.length));
  const bad = values.findIndex((each) => !Number.isFinite(each));
  if (bad !== -1) throw invalid(`${path}.coordinates.values[${bad}]`, 'a finite number', String(values[bad]));
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
