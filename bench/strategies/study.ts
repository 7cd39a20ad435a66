// What is compared with what: methods with a grid of settings each, on one problem, at one number of forwarded examples.
import type { StrategyName } from '../../server/strategy/index.ts';

export type Method =
  | {
      readonly kind: 'strategy';
      readonly strategy: StrategyName;
      /** But for its seed. */
      readonly options: Readonly<Record<string, unknown>>;
      readonly batchSize: number;
    }
  /** First order, by a gradient written by hand. As many rows as the problem has: the full batch. */
  | { readonly kind: 'gradient-descent'; readonly learningRate: number; readonly batchSize: number };

/** What a gradient of one example counts for: a forward pass, and a backward pass that is twice as much work. */
export const FORWARDS_PER_GRADIENT = 3;

/** A line of a plot and of a table: the method is the best of its grid. */
export type Contender = { readonly label: string; readonly grid: readonly Method[] };

/** What a training has come to: the objective over all rows that are trained on, and where there are others, what it is right about. */
export type Standing = { readonly loss: number; readonly accuracy?: number };

/** Between two steps. */
export type Moment = {
  readonly examples: number;
  readonly steps: number;
  readonly isLast: boolean;
  /** Costs no budget; only until the next moment. */
  look(): Standing | Promise<Standing>;
};

export type TrainOptions = {
  readonly seed: number;
  /** Forwarded examples; a training ends before the step that would exceed them. */
  readonly examples: number;
};

export type Problem = {
  /** Rows that are trained on. */
  readonly rows: number;
  /** The least loss that there is, where it is known: results are then gaps above it. */
  readonly minimum?: number;
  /** The first moment is before the first step, the last one after the last. */
  train(method: Method, options: TrainOptions): AsyncIterable<Moment> | Iterable<Moment>;
};

export type Study = {
  /** `strategies.` and more: the name on the command line, of the files, and for good. */
  readonly name: string;
  readonly title: string;
  /** Sentences about the problem and how it was set up. */
  readonly about: readonly string[];
  readonly contenders: readonly Contender[];
  /** Forwarded examples of every training. */
  readonly examples: number;
  /** Not among `seeds`. */
  readonly tuningSeed: number;
  readonly seeds: readonly number[];
  /** Called once, before the first training. */
  open(): Promise<Problem & AsyncDisposable>;
  /** Whether a problem that is not computed in the engine is the same there. */
  readonly agreement?: () => Promise<readonly Agreement[]>;
};

/** One training, made in float64 and in the engine. */
export type Agreement = {
  readonly method: Method;
  readonly examples: number;
  readonly steps: number;
  /** Of the loss over all rows, between the two, at every look. */
  readonly relativeDifferenceMax: number;
  /** Loss in the engine at the end, over the first one. */
  readonly lossRatio: number;
};

/** Every combination of values: `combine({ a: [1, 2], b: [3] })` is `[{ a: 1, b: 3 }, { a: 2, b: 3 }]`. */
export function combine<Value>(
  values: Readonly<Record<string, readonly Value[]>>,
): Readonly<Record<string, Value>>[] {
  return Object.entries(values).reduce<Record<string, Value>[]>(
    (all, [name, each]) => all.flatMap((one) => each.map((value) => ({ ...one, [name]: value }))),
    [{}],
  );
}

/** A strategy with every one of these options, at one batch size. */
export function settings(
  strategy: StrategyName,
  batchSize: number,
  options: readonly Readonly<Record<string, unknown>>[],
): Method[] {
  return options.map((each) => ({ kind: 'strategy', strategy, options: each, batchSize }));
}

export function gradientDescent(batchSize: number, learningRates: readonly number[]): Method[] {
  return learningRates.map((learningRate) => ({ kind: 'gradient-descent', learningRate, batchSize }));
}

/** In words, for tables. */
export function describe(method: Method, rows: number): string {
  const batch = method.batchSize === rows ? 'all rows' : `b ${method.batchSize}`;
  const options = method.kind === 'strategy' ? method.options : { learningRate: method.learningRate };
  const isUsed = ([name]: [string, unknown]) => name !== 'seed';
  return [batch, ...Object.entries(options).filter(isUsed).map(option)].join(', ');
}

function option([name, value]: [string, unknown]): string {
  if (typeof value !== 'object' || value === null) return `${name} ${short(value)}`;
  return `${name} ${Object.values(value).map(short).join(' ')}`;
}

function short(value: unknown): string {
  return typeof value === 'number' && value < 0.01 && value > 0 ? value.toExponential() : String(value);
}
