// Plans of studies between wire and domain. The tables of server/study say what options an optimizer has.
import {
  type OptimizerInfo,
  StudyDirection,
  type OptimizerChoice as WireOptimizer,
  type StudyPlan as WirePlan,
  type SeedForm as WireSeedForm,
  type VectorForm as WireVectorForm,
} from '../../proto/gen/zeroth/v1/study_service.ts';
import { invalid } from '../errors.ts';
import { type Fields, readOptions } from '../strategy/fields.ts';
import { type OptimizerName, optimizerNames, optimizerOf } from '../study/optimizers/optimizers.ts';
import type { SeedForm, StudyPlan, VectorForm } from '../study/plan/plan.ts';
import { fromTable, toNumber, toTable } from './convert.ts';
import { fromSpace, toSpace } from './convert-space.ts';
import { fromStrategy, snake, toFieldInfos, toStrategy } from './convert-strategy.ts';
import { renamed } from './renamed.ts';

export function toStudyPlan(plan: WirePlan | undefined): StudyPlan {
  if (plan === undefined) throw invalid('plan', 'a plan', 'none');
  const { direction, form, trials, target, noise } = plan;
  if (form === undefined) throw invalid('plan.form', 'vector or seed', 'neither');
  if (trials < 0n) throw invalid('plan.trials', 'a number of trials, 0 or more', String(trials));
  if (direction === StudyDirection.UNRECOGNIZED)
    throw invalid('plan.direction', 'minimize (1) or maximize (2)', String(direction));
  return {
    direction: direction === StudyDirection.STUDY_DIRECTION_MAXIMIZE ? 'maximize' : 'minimize',
    form: form.$case === 'vector' ? toVectorForm(form.value) : toSeedForm(form.value),
    trials: trials === 0n ? undefined : toNumber(trials, 'plan.trials'),
    target,
    ...(noise && { noise: { deviation: noise.deviation } }),
  };
}

export function fromStudyPlan({ direction, form, trials, target, noise }: StudyPlan): WirePlan {
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
    noise: noise && { deviation: noise.deviation },
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

function fromVectorForm({ space, optimizer }: VectorForm): WireVectorForm {
  return { space: fromSpace(space), optimizer: fromOptimizer(optimizer) };
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
  const { title, paper, doc, fields, dimensionMax, domains, createNoisy } = optimizerOf(name);
  return {
    name,
    title,
    paper,
    description: doc,
    fields: toFieldInfos(fields),
    dimensionsMax: dimensionMax,
    spaces: domains.map((kind) => (kind === 'box' ? 'box' : 'free')),
    takesNoise: createNoisy !== undefined,
  };
}
