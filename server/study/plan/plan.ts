// What a study is made of, what it is asked and told: plain data.
import type { TableKind } from '../../noise/table.ts';
import type { Shift } from '../../shift.ts';
import type { StrategyName } from '../../strategy/index.ts';
import type { Noise } from '../optimizers/common/optimizer.ts';
import type { OptimizerName } from '../optimizers/optimizers.ts';
import type { Point, Space } from '../space/space.ts';

/** Of a client's id, and of a request's. */
export const ID_CHARACTERS_MAX = 100;
/** Of why a trial is infeasible. */
export const REASON_CHARACTERS_MAX = 1000;

/** Never changes after the start. */
export type StudyPlan = {
  readonly direction: 'minimize' | 'maximize';
  readonly form: VectorForm | SeedForm;
  /** Trials, asked for or told; undefined means without an end. */
  readonly trials: number | undefined;
  /** A value that is as good completes the study. */
  readonly target: number | undefined;
  /** Values of the same point differ; left out: they do not. Not in the seed form. */
  readonly noise?: Noise | undefined;
  /** Of what its optimizer goes by, since a stored study goes on as it began. Left out: 1. */
  readonly rules?: Rules | undefined;
};

/** 2: cells of integers, steps and choices have a margin (margin.ts). 3: late values are half of a generation at most (generations.ts). */
export type Rules = 1 | 2 | 3;

/** Of studies that are begun now. */
export const RULES: Rules = 3;

export type VectorForm = {
  readonly kind: 'vector';
  readonly space: Space;
  /** With all its defaults. */
  readonly optimizer: { readonly name: OptimizerName; readonly options: Readonly<Record<string, unknown>> };
};

export type SeedForm = {
  readonly kind: 'seed';
  /** Of the vector that clients keep; nothing depends on it. */
  readonly dimensions: number;
  readonly table: TableKind;
  /** With all its defaults. */
  readonly strategy: { readonly name: StrategyName; readonly options: Readonly<Record<string, unknown>> };
};

export type TrialPoint =
  | {
      readonly kind: 'vector';
      /** In [0, 1]^d or R^d, as the optimizer has it. */
      readonly vector: readonly number[];
      /** As the client told it, where nobody asked for it: through [0, 1] it would be rounded. */
      readonly given?: Point | undefined;
    }
  /** The vector behind so many updates, and shifts on top of it. */
  | { readonly kind: 'seed'; readonly revision: number; readonly shifts: readonly Shift[] };

export type Outcome =
  | { readonly kind: 'told'; readonly value: number }
  | { readonly kind: 'infeasible'; readonly reason: string };

export type Trial = {
  /** 1 for the first. */
  readonly number: number;
  /** The number that the method knows it by; undefined where it was never asked for. */
  readonly candidate: number | undefined;
  readonly point: TrialPoint;
  /** Undefined while it is open. */
  readonly outcome: Outcome | undefined;
  /** Who has it or had it. */
  readonly client: string;
  /** When an open one is offered to others. */
  readonly leaseEndMs: number;
};

/** What the clients of a seed study move their vectors by. */
export type StudyUpdate = {
  /** 1 for the first. */
  readonly revision: number;
  readonly shifts: readonly Shift[];
};

export type AskRequest = {
  readonly client: string;
  /** Empty means that a retry may get others. */
  readonly requestId: string;
  readonly count: number;
  readonly leaseMs: number;
  readonly waitMs: number;
};

/** Of a trial, or of a point that was never asked for. */
export type Value = {
  readonly of: { readonly trial: number } | { readonly point: Extract<TrialPoint, { kind: 'vector' }> };
  readonly outcome: Outcome;
};
