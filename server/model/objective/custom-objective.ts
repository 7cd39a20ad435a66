// Whoever compiles against this need not have named the library of Float16Array.
/// <reference lib="esnext.float16" preserve="true" />

/**
 * What a module of `--objective-dir` has to export. Types only, so that `import type` of it leaves nothing to resolve when the server loads the
 * module. docs/objectives.md has examples.
 * @module zeroth/objective
 */
import type { DataType } from '../../tensor.ts';

export type { DataType };

type Arrays = {
  readonly float32: Float32Array;
  readonly float64: Float64Array;
  readonly float16: Float16Array;
  readonly int8: Int8Array;
  readonly uint8: Uint8Array;
  readonly int16: Int16Array;
  readonly uint16: Uint16Array;
  readonly int32: Int32Array;
  readonly uint32: Uint32Array;
  readonly int64: BigInt64Array;
  readonly uint64: BigUint64Array;
  /** A byte each, 0 or 1. */
  readonly bool: Uint8Array;
};

/** Element types by the names of tensors: `{ output: 'float32' }`, or a union where several will do. */
export type Types = Readonly<Record<string, DataType>>;

/** Row-major, with a row for each example of a micro-batch: `shape[0]` is their number. */
export type ObjectiveTensor<Type extends DataType = DataType> = {
  /** Of its elements. */
  readonly dataType: Type;
  /** Rows first. */
  readonly shape: readonly number[];
  /** Of all rows. */
  readonly data: Arrays[Type];
};

/** By the names that the objective asked for. */
export type Tensors<T extends Types> = { readonly [Name in keyof T]: ObjectiveTensor<T[Name]> };

/** What an objective takes; anything else is refused before it is called. */
export type Need<Type extends DataType = DataType> = {
  /** One of these. */
  readonly dataType: Type | readonly Type[];
  /** With the rows in front: a number is a size, text names one that is free, as in ['rows', 'classes', 2]. Absent: any shape. */
  readonly shape?: readonly (number | string)[];
};

/** By name. */
export type Needs<T extends Types> = { readonly [Name in keyof T]: Need<T[Name]> };

type Shared<Outputs extends Types, Labels extends Types> = {
  /** A sentence for whoever lists the server's objectives. */
  readonly description?: string;
  /** Outputs of the model, at least one: `output` is the one that `Objective.output` names, any other the model's of that name. */
  readonly outputs: Needs<Outputs>;
  /** Tensors of the batch: `labels` is the one that `Objective.labels` names, any other the batch's of that name. May be empty. */
  readonly labels: Needs<Labels>;
};

/** One that gives each example a loss: an evaluation is their mean. */
export type ExampleObjective<Outputs extends Types = Types, Labels extends Types = Types> = Shared<
  Outputs,
  Labels
> & {
  /**
   * Of one micro-batch, whose rows need not be neighbours in the batch. Must not wait: no promises. Tensors are the callee's for this call.
   * @returns a loss for each of `rows` examples, in their order; what is not finite makes the evaluation so.
   */
  losses(outputs: Tensors<Outputs>, labels: Tensors<Labels>, rows: number): ArrayLike<number>;
};

/**
 * One of the whole batch, as F1 or BLEU are: no example has a loss. Each micro-batch has statistics of its own, which are merged in the order in
 * which they were computed; how rows are cut into micro-batches must not matter.
 */
export type CorpusObjective<
  Statistics = unknown,
  Outputs extends Types = Types,
  Labels extends Types = Types,
> = Shared<Outputs, Labels> & {
  /** Of no rows. */
  start(): Statistics;
  /** @returns statistics with those of these rows, which may be the first argument, changed. */
  add(statistics: Statistics, outputs: Tensors<Outputs>, labels: Tensors<Labels>, rows: number): Statistics;
  /** @returns those of both, which may be the first argument, changed. */
  merge(a: Statistics, b: Statistics): Statistics;
  /** What is minimized. */
  loss(statistics: Statistics): number;
};

/** What a module's default export is. */
export type CustomObjective = ExampleObjective | CorpusObjective;
