// One parameter of a search space, to and from coordinates in [0, 1].
import { invalid } from '../../errors.ts';
import { type Cells, indexOf, logInteger } from './cells.ts';

type FloatParameter = {
  readonly kind: 'float';
  readonly min: number;
  readonly max: number;
  /** 'log': equal ratios are equally far; min is above 0. Default 'linear'. */
  readonly scale?: 'linear' | 'log' | undefined;
  /** Only min, min + step, min + 2 step, ... up to max; on a linear scale. */
  readonly step?: number | undefined;
  readonly start?: number | undefined;
};

type IntegerParameter = {
  readonly kind: 'integer';
  /** Both are in. */
  readonly min: number;
  readonly max: number;
  readonly scale?: 'linear' | 'log' | undefined;
  readonly start?: number | undefined;
};

/**
 * A coordinate for each choice; the highest wins, the first of equals. Every optimizer of boxes takes it:
 * a uniform draw gives each choice the same chance, and CMA-ES learns a mean for each of them.
 */
type CategoryParameter = {
  readonly kind: 'category';
  readonly choices: readonly string[];
  readonly start?: string | undefined;
};

export type Parameter = FloatParameter | IntegerParameter | CategoryParameter;
export type ParameterValue = number | string;

/** Names of choices, and coordinates of them. */
const CHOICES_MAX = 256;

/** Where a choice that was made and one that was not have their coordinates: neither on a bound. */
const CHOSEN = 0.75;
const NOT_CHOSEN = 0.25;

type ParameterKind<Each extends Parameter> = {
  readonly dimension: (parameter: Each) => number;
  /** Of a parameter that came from outside. @throws ZerothError naming a field below `path`. */
  readonly check: (path: string, parameter: Each) => void;
  /** @throws ZerothError naming `path`. */
  readonly checkValue: (path: string, parameter: Each, value: unknown) => void;
  /** @param value checked. */
  readonly toUnit: (parameter: Each, value: ParameterValue) => number[];
  readonly fromUnit: (parameter: Each, unit: readonly number[]) => ParameterValue;
  /** Of each of its coordinates, the first of which is coordinate `first`. */
  readonly cells: (parameter: Each, first: number) => Cells[];
};

const float: ParameterKind<FloatParameter> = {
  dimension: () => 1,

  check(path, { min, max, scale, step }) {
    checkRange(path, min, max);
    if (scale === 'log' && min <= 0)
      throw invalid(`${path}.min`, 'a number above 0 on a log scale', String(min));
    if (step === undefined) return;
    if (scale === 'log') throw invalid(`${path}.step`, 'none on a log scale', String(step));
    if (!(step > 0 && step <= max - min))
      throw invalid(`${path}.step`, `above 0 up to ${max - min}`, String(step));
    if (stepsOf(min, max, step) > STEPS_MAX)
      throw invalid(`${path}.step`, `at most ${STEPS_MAX} steps`, String(step));
  },

  checkValue(path, { min, max }, value) {
    if (!(typeof value === 'number' && value >= min && value <= max))
      throw invalid(path, `a number from ${min} to ${max}`, String(value));
  },

  toUnit({ min, max, scale = 'linear', step }, value) {
    const x = Number(value);
    if (step !== undefined) return [cell(stepsOf(min, max, step), Math.round((x - min) / step))];
    return [scale === 'log' ? logarithmic(min, max, x) : (x - min) / (max - min)];
  },

  fromUnit({ min, max, scale = 'linear', step }, [u]) {
    if (step !== undefined) return Math.min(max, min + step * indexOf(stepsOf(min, max, step) + 1, u));
    if (scale === 'log') return clamp(Math.exp((1 - u) * Math.log(min) + u * Math.log(max)), min, max);
    return clamp((1 - u) * min + u * max, min, max);
  },

  cells: ({ min, max, step }) => [
    step === undefined ? { kind: 'whole' } : { kind: 'even', count: stepsOf(min, max, step) + 1 },
  ],
};

const integer: ParameterKind<IntegerParameter> = {
  dimension: () => 1,

  check(path, { min, max, scale }) {
    for (const [name, bound] of Object.entries({ min, max }))
      if (!Number.isSafeInteger(bound)) throw invalid(`${path}.${name}`, 'a whole number', String(bound));
    checkRange(path, min, max);
    if (scale === 'log' && min < 1) throw invalid(`${path}.min`, '1 or more on a log scale', String(min));
    if (max - min > STEPS_MAX) throw invalid(`${path}.max`, `at most ${STEPS_MAX} above min`, String(max));
  },

  checkValue(path, { min, max }, value) {
    if (!(Number.isSafeInteger(value) && Number(value) >= min && Number(value) <= max))
      throw invalid(path, `a whole number from ${min} to ${max}`, String(value));
  },

  toUnit({ min, max, scale = 'linear' }, value) {
    if (scale === 'log') return [logarithmic(min - 0.5, max + 0.5, Number(value))];
    return [cell(max - min, Number(value) - min)];
  },

  fromUnit({ min, max, scale = 'linear' }, [u]) {
    return scale === 'linear' ? min + indexOf(max - min + 1, u) : logInteger(min, max, u);
  },

  cells: ({ min, max, scale }) => [
    scale === 'log' ? { kind: 'log', min, max } : { kind: 'even', count: max - min + 1 },
  ],
};

const category: ParameterKind<CategoryParameter> = {
  dimension: ({ choices }) => choices.length,

  check(path, { choices }) {
    if (choices.length < 2 || choices.length > CHOICES_MAX)
      throw invalid(`${path}.choices`, `2 to ${CHOICES_MAX}`, String(choices.length));
    const twice = choices.find((each, i) => choices.indexOf(each) !== i);
    if (twice !== undefined) throw invalid(`${path}.choices`, 'each choice once', `'${twice}' twice`);
  },

  checkValue(path, { choices }, value) {
    if (!choices.some((each) => each === value))
      throw invalid(path, `one of ${choices.join(', ')}`, String(value));
  },

  toUnit: ({ choices }, value) => choices.map((each) => (each === value ? CHOSEN : NOT_CHOSEN)),

  fromUnit: ({ choices }, unit) => choices[unit.indexOf(unit.reduce((a, b) => Math.max(a, b)))],

  cells: ({ choices }, first) => choices.map(() => ({ kind: 'choice', first, count: choices.length })),
};

export const parameterKinds = { float, integer, category } as Readonly<
  Record<Parameter['kind'], ParameterKind<Parameter>>
>;

/** Cells of an axis: beyond it their middles are too close to be told apart in the arithmetic below. */
const STEPS_MAX = 2 ** 50;

function checkRange(path: string, min: number, max: number): void {
  if (!Number.isFinite(min)) throw invalid(`${path}.min`, 'a finite number', String(min));
  if (!(Number.isFinite(max) && max > min))
    throw invalid(`${path}.max`, `a finite number above ${min}`, String(max));
  if (!Number.isFinite(max - min)) throw invalid(`${path}.max`, 'a range that is finite', String(max));
}

/** Steps that fit, with the last where max is a multiple but for rounding. */
function stepsOf(min: number, max: number, step: number): number {
  return Math.floor((max - min) / step + 1e-9);
}

/** The middle of cell `i` of 0 ... last, all equally wide. */
function cell(last: number, i: number): number {
  return (Math.min(i, last) + 0.5) / (last + 1);
}

function logarithmic(min: number, max: number, x: number): number {
  return clamp(Math.log(x / min) / Math.log(max / min), 0, 1);
}

function clamp(x: number, min: number, max: number): number {
  return Math.min(max, Math.max(min, x));
}
