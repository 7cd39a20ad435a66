// A plan that came from a file: everything of it is looked at before anybody relies on its type.
import { strategyNames } from '../../strategy/index.ts';
import { optimizerNames } from '../optimizers/optimizers.ts';
import { checkSpace, type Space } from '../space/space.ts';
import type { StudyPlan } from './plan.ts';

/** Whether it is of the form of a plan, its search space checked; what its numbers may be is another check (check-plan.ts). */
export function isPlan(plan: unknown): plan is StudyPlan {
  if (!isRecord(plan)) return false;
  const { direction, trials, target, form, rules, noise } = plan;
  return (
    (direction === 'minimize' || direction === 'maximize') &&
    isOptional(trials, (each) => isCount(each) && each > 0) &&
    isOptional(target, isNumber) &&
    isOptional(rules, (each) => each === 1 || each === 2 || each === 3) &&
    isOptional(noise, (each) => isRecord(each) && isOptional(each.deviation, isNumber)) &&
    isRecord(form) &&
    (form.kind === 'vector' ? isVectorForm(form) : form.kind === 'seed' && isSeedForm(form))
  );
}

function isVectorForm({ space, optimizer }: Record<string, unknown>): boolean {
  if (!isSpace(space) || !isChoice(optimizer, optimizerNames)) return false;
  checkSpace(space);
  return true;
}

function isSeedForm({ dimensions, table, strategy }: Record<string, unknown>): boolean {
  return (
    isCount(dimensions) &&
    (table === 'gaussian' || table === 'rademacher') &&
    isChoice(strategy, strategyNames)
  );
}

function isChoice(choice: unknown, names: readonly string[]): boolean {
  return isRecord(choice) && names.some((each) => each === choice.name) && isRecord(choice.options);
}

function isSpace(space: unknown): space is Space {
  if (!isRecord(space)) return false;
  const { kind, start, scale, parameters } = space;
  if (kind === 'vector') return Array.isArray(start) && start.every(isNumber) && isNumber(scale);
  return kind === 'box' && isRecord(parameters) && Object.values(parameters).every(isParameter);
}

function isParameter(parameter: unknown): boolean {
  if (!isRecord(parameter)) return false;
  const { kind, min, max, scale, step, start, choices } = parameter;
  if (kind === 'category')
    return Array.isArray(choices) && choices.every(isText) && isOptional(start, isText);
  const isScale = scale === undefined || scale === 'linear' || scale === 'log';
  const areNumbers = isNumber(min) && isNumber(max) && isOptional(start, isNumber);
  return (kind === 'float' || kind === 'integer') && isScale && areNumbers && isOptional(step, isNumber);
}

function isOptional(value: unknown, is: (value: unknown) => boolean): boolean {
  return value === undefined || is(value);
}

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

export function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && Number(value) >= 0;
}

export function isNumber(value: unknown): value is number {
  return Number.isFinite(value);
}

export function isText(value: unknown): value is string {
  return typeof value === 'string';
}
