// Studies as a program writes them, and as messages.
import { NoiseTable } from '../proto/gen/zeroth/v1/run_service.ts';
import type { Strategy } from '../proto/gen/zeroth/v1/strategy.ts';
import {
  type DeepPartial,
  type OptionValue,
  type ParameterValue,
  RangeScale,
  type SpaceParameter,
  StudyDirection,
  type StudyPlan,
  type TrialPoint,
  type VectorForm,
} from '../proto/gen/zeroth/v1/study_service.ts';
import type { Shift } from '../server/shift.ts';

type Bounds = {
  /** The lowest value. */
  readonly min: number;
  /** The highest value. */
  readonly max: number;
  /** 'log' for what is compared by factors; its bounds are above 0. Default 'linear'. */
  readonly scale?: 'linear' | 'log';
  /** Where the optimizer begins. Default: the middle. */
  readonly start?: number;
};

/** Of a parameter. Both bounds are in it. */
export type Range =
  | (Bounds & {
      /** Only values so far apart, from the lowest; on a linear scale. */
      readonly step?: number;
    })
  | (Bounds & {
      /** Integers. */
      readonly whole: true;
    })
  | {
      /** Not in any order. */
      readonly choices: readonly string[];
      /** Which the optimizer begins with. */
      readonly start?: string;
    };

/** Parameters by name; or vectors, from a start. */
export type SearchSpace =
  | Readonly<Record<string, Range>>
  | {
      /** As many numbers as there are coordinates. */
      readonly start: readonly number[];
      /** The optimum is expected within a few times this of the start, in each coordinate. Default 1. */
      readonly scale?: number;
    };

/** What a study searches, with what, and for how long. */
export type StudyOptions = {
  /** Lower-case letters, digits and hyphens. Default: one is chosen. */
  readonly studyId?: string;
  /** Default 'minimize'. */
  readonly direction?: 'minimize' | 'maximize';
  /** Trials in all. Default: without an end. */
  readonly trials?: number;
  /** A value that is as good completes the study. */
  readonly target?: number;
  /** Values of the same point differ, by this standard deviation where it is known. Default: they do not. */
  readonly noise?: {
    /** Above 0; of the value of one point. */
    readonly deviation?: number;
  };
} & (
  | {
      /** Where points come from. */
      readonly space: SearchSpace;
      /** Its options by the names that GetServerInfo lists. */
      readonly optimizer: {
        /** One that GetServerInfo lists. */
        readonly name: string;
        /** Default, of each: the optimizer's. */
        readonly options?: Readonly<Record<string, number | boolean | string | bigint>>;
      };
    }
  | {
      /** For clients that keep the vector (seed-vector.ts). */
      readonly seed: {
        /** Of the vector. */
        readonly dimensions: number;
        /** Which numbers a seed stands for; that of the vector. Default 'gaussian'. */
        readonly table?: 'gaussian' | 'rademacher';
        /** Which points are asked for, and what is made of their values. */
        readonly strategy: DeepPartial<Strategy>;
      };
    }
);

/** Values by name; a vector; or what is added to the client's own vector behind so many updates. */
export type Point =
  | Readonly<Record<string, number | string>>
  | readonly number[]
  | {
      /** Updates of the study that the vector is behind. */
      readonly revision: bigint;
      /** What is added to it. */
      readonly shifts: readonly Shift[];
    };

export function toPlan(options: StudyOptions): DeepPartial<StudyPlan> {
  const { direction = 'minimize', trials = 0, target, noise } = options;
  return {
    direction:
      direction === 'maximize'
        ? StudyDirection.STUDY_DIRECTION_MAXIMIZE
        : StudyDirection.STUDY_DIRECTION_MINIMIZE,
    form: 'seed' in options ? toSeedForm(options.seed) : toVectorForm(options),
    trials: BigInt(trials),
    target,
    noise,
  };
}

type Form = DeepPartial<StudyPlan>['form'];

function toSeedForm({ dimensions, table, strategy }: Extract<StudyOptions, { seed: unknown }>['seed']): Form {
  const noise = table === 'rademacher' ? NoiseTable.NOISE_TABLE_RADEMACHER : NoiseTable.NOISE_TABLE_GAUSSIAN;
  return { $case: 'seed', value: { dimensions: BigInt(dimensions), table: noise, strategy } };
}

function toVectorForm({ space, optimizer }: Extract<StudyOptions, { space: unknown }>): Form {
  const options = Object.entries(optimizer.options ?? {}).map(([name, value]) => [name, toOption(value)]);
  const choice = { name: optimizer.name, options: Object.fromEntries(options) };
  return { $case: 'vector', value: { space: toSpace(space), optimizer: choice } };
}

function toSpace(space: SearchSpace): DeepPartial<VectorForm>['space'] {
  return isFree(space)
    ? { $case: 'free', value: { start: [...space.start], scale: space.scale } }
    : { $case: 'box', value: { parameters: Object.entries(space).map(toParameter) } };
}

/** A range named "start" is an object with bounds or choices. */
function isFree(space: SearchSpace): space is Extract<SearchSpace, { start: readonly number[] }> {
  return Array.isArray(space.start);
}

function toParameter([name, range]: readonly [string, Range]): DeepPartial<SpaceParameter> {
  if ('choices' in range) {
    const { choices, start } = range;
    return { name, range: { $case: 'category', value: { choices: [...choices], start } } };
  }
  const { min, max } = range;
  const scale = range.scale === 'log' ? RangeScale.RANGE_SCALE_LOG : RangeScale.RANGE_SCALE_LINEAR;
  if (!('whole' in range))
    return {
      name,
      range: { $case: 'float', value: { min, max, scale, step: range.step, start: range.start } },
    };
  const start = range.start === undefined ? undefined : BigInt(range.start);
  return { name, range: { $case: 'integer', value: { min: BigInt(min), max: BigInt(max), scale, start } } };
}

function toOption(value: number | boolean | string | bigint): OptionValue {
  if (typeof value === 'number') return { kind: { $case: 'number', value } };
  if (typeof value === 'boolean') return { kind: { $case: 'flag', value } };
  return typeof value === 'bigint' ? { kind: { $case: 'seed', value } } : { kind: { $case: 'text', value } };
}

export function toPoint(wire: TrialPoint | undefined): Point {
  const point = wire?.point;
  switch (point?.$case) {
    case 'seed':
    case undefined:
      return point?.value ?? {};
    case 'coordinates':
      return point.value.values;
    case 'parameters':
      return Object.fromEntries(
        Object.entries(point.value.values).map(([name, { kind }]) => [name, kind?.value ?? Number.NaN]),
      );
  }
}

/** One of a search space. */
export function toWirePoint(point: Point): DeepPartial<TrialPoint> {
  if (Array.isArray(point)) return { point: { $case: 'coordinates', value: { values: [...point] } } };
  const values = Object.entries(point).map(([name, value]): [string, DeepPartial<ParameterValue>] => [
    name,
    typeof value === 'number'
      ? { kind: { $case: 'number', value } }
      : { kind: { $case: 'category', value: String(value) } },
  ]);
  return { point: { $case: 'parameters', value: { values: Object.fromEntries(values) } } };
}
