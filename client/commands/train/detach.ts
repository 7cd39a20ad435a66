// `zeroth train --detach`: what would be driven from here is a training that the server runs.
import type { Strategy as WireStrategy } from '../../../proto/gen/zeroth/v1/strategy.ts';
import type { Fields, FieldType } from '../../../server/strategy/fields.ts';
import { strategyOf } from '../../../server/strategy/index.ts';
import { print, printJson } from '../output.ts';
import { trainingView } from '../views.ts';
import type { Course } from './course.ts';
import type { Job } from './job.ts';
import type { ChosenStrategy } from './strategy-flags.ts';

/** Its looks are at the loss of held-out rows: it has one objective for them, and accuracy is what eval is for. */
export async function detach(
  { zeroth, settings }: Job,
  course: Course,
  chosen: ChosenStrategy,
): Promise<void> {
  const { run, train, held, batchSize, batchSeed, budget, evalEvery, objective } = course;
  const plan = {
    ...{ dataset: train.name, batchSize, batchSeed, objective, strategy: toWire(chosen) },
    budget:
      'steps' in budget
        ? ({ $case: 'steps', value: BigInt(budget.steps) } as const)
        : ({ $case: 'examples', value: BigInt(budget.examples) } as const),
    ...(held && { evaluation: { dataset: held.name, every: BigInt(evalEvery) } }),
  };
  const training = await zeroth.trainings.start({ run, trainingId: course.trainingId, plan });
  if (settings.isJson) return printJson(trainingView(training));
  print(
    `${training.name} goes on by itself
zeroth watch ${run} shows how it goes, zeroth stop ${run} ends it
zeroth export ${run} --out FILE writes the model`,
  );
}

/** The tables of strategies say what their messages have; only choices are numbers there. */
function toWire({ name, options }: ChosenStrategy): WireStrategy {
  const $case = name.replace(/-([a-z])/g, (_, letter: string) => letter.toUpperCase());
  const value = toMessage(strategyOf(name).fields, options);
  return { kind: { $case, value } as unknown as NonNullable<WireStrategy['kind']> };
}

function toMessage(fields: Fields, options: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(fields).map(([name, { type }]) => [name, toValue(type, options[name])]),
  );
}

function toValue(type: FieldType, value: unknown): unknown {
  if (type.kind === 'choice') return value === undefined ? 0 : type.choices.indexOf(value as string) + 1;
  if (type.kind !== 'group' || value === undefined) return value;
  return toMessage(type.fields, value as Readonly<Record<string, unknown>>);
}
