// What can be wrong with a plan, told before anything is begun.
import type { Config } from '../../config.ts';
import { invalid } from '../../errors.ts';
import { strategyOf } from '../../strategy/index.ts';
import type { Noise } from '../optimizers/common/optimizer.ts';
import { optimizerNames, optimizerOf } from '../optimizers/optimizers.ts';
import { checkStart } from '../space/domain.ts';
import { dimensionOf } from '../space/space.ts';
import { methodOf } from './method.ts';
import type { SeedForm, StudyPlan, VectorForm } from './plan.ts';

export type PlanLimits = Pick<
  Config,
  'studyDimensionsMax' | 'trialsOpenMax' | 'trialsPerStudyMax' | 'shiftsPerRequestMax'
>;

/** @throws ZerothError naming the field of the request. */
export function checkPlan(plan: StudyPlan, limits: PlanLimits): void {
  const { trials, target, form, noise } = plan;
  if (trials !== undefined && trials > limits.trialsPerStudyMax)
    throw invalid('plan.trials', `at most ${limits.trialsPerStudyMax} (trialsPerStudyMax)`, String(trials));
  if (target !== undefined && !Number.isFinite(target))
    throw invalid('plan.target', 'a finite number', String(target));
  if (noise !== undefined) checkNoise(noise, form);
  if (form.kind === 'vector') checkVectorForm(form, limits);
  else checkSeedForm(form, limits);
  methodOf(plan);
}

function checkNoise({ deviation }: Noise, form: StudyPlan['form']): void {
  if (deviation !== undefined && !(Number.isFinite(deviation) && deviation > 0))
    throw invalid('plan.noise.deviation', 'a finite number above 0', String(deviation));
  const name = form.kind === 'vector' ? form.optimizer.name : undefined;
  if (name !== undefined && optimizerOf(name).createNoisy !== undefined) return;
  const able = optimizerNames.filter((each) => optimizerOf(each).createNoisy !== undefined);
  throw invalid(
    'plan.noise',
    `an optimizer that can do with it, ${able.join(' or ')}`,
    name ?? 'the seed form',
  );
}

function checkVectorForm(
  { space, optimizer: { name } }: VectorForm,
  { studyDimensionsMax }: PlanLimits,
): void {
  const { domains, dimensionMax } = optimizerOf(name);
  if (!domains.includes(space.kind))
    throw invalid('plan.vector.space', `a space that ${name} takes, ${domains.join(' or ')}`, space.kind);
  const dimension = dimensionOf(space);
  const field = space.kind === 'box' ? 'plan.vector.box.parameters' : 'plan.vector.free.start';
  const most = `${Math.min(dimensionMax, studyDimensionsMax)} dimensions`;
  const whose = dimensionMax < studyDimensionsMax ? `for ${name}` : '(studyDimensionsMax)';
  if (dimension > Math.min(dimensionMax, studyDimensionsMax))
    throw invalid(field, `at most ${most} ${whose}`, String(dimension));
  if (space.kind === 'vector') checkStart(space, 'plan.vector.free.');
}

function checkSeedForm({ dimensions, strategy: { name, options } }: SeedForm, limits: PlanLimits): void {
  if (!Number.isSafeInteger(dimensions) || dimensions < 1)
    throw invalid('plan.seed.dimensions', 'a whole number of 1 or more', String(dimensions));
  const field = `plan.seed.strategy.${name.replaceAll('-', '_')}`;
  const strategy = strategyOf(name).create(options);
  const { points, batch, laterPoints = 0 } = strategy.ask(strategy.start());
  if (batch.kind !== 'mini-batch')
    throw invalid(field, 'a strategy without full batches and snapshots: a study has no dataset', name);
  const { weightDecay = 0, window = 1 } = options as { weightDecay?: number; window?: number };
  if (weightDecay !== 0)
    throw invalid(
      `${field}.weight_decay`,
      '0: a vector has no biases and norms to spare',
      String(weightDecay),
    );
  const { trialsOpenMax, shiftsPerRequestMax } = limits;
  if (points.length + laterPoints > trialsOpenMax)
    throw invalid(
      field,
      `at most ${trialsOpenMax} points a step (trialsOpenMax)`,
      `${points.length + laterPoints}`,
    );
  if (points.length * window > shiftsPerRequestMax)
    throw invalid(
      field,
      `at most ${shiftsPerRequestMax} shifts an update (shiftsPerRequestMax)`,
      `${points.length * window}`,
    );
}
