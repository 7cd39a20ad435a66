// A problem of one vector of float64 weights: strategies and directions are those of the server, the arithmetic and the grid are not.
import { direction } from '../../server/noise/direction.ts';
import { noiseTable, type TableKind } from '../../server/noise/table.ts';
import type { Point, Shift } from '../../server/shift.ts';
import { batchRows } from '../../server/strategy/batches.ts';
import { Driver } from '../../server/strategy/driver.ts';
import { strategyOf } from '../../server/strategy/index.ts';
import type { Action } from '../../server/strategy/strategy.ts';
import { FORWARDS_PER_GRADIENT, type Method, type Moment, type Problem, type TrainOptions } from './study.ts';

/** Means over rows. */
export type Objective = {
  readonly rows: number;
  readonly dimension: number;
  loss(weights: Float64Array, rows: Indices): number;
  gradient(weights: Float64Array, rows: Indices): Float64Array;
};

export type Indices = readonly number[] | Uint32Array;

/** Every training starts from zero. */
export function vectorProblem(objective: Objective, minimum: number): Problem {
  const everyRow = Uint32Array.from({ length: objective.rows }, (_, row) => row);
  return {
    rows: objective.rows,
    minimum,
    train: (method, options) =>
      method.kind === 'strategy'
        ? byStrategy(objective, everyRow, method, options)
        : byGradients(objective, everyRow, method, options),
  };
}

function* byStrategy(
  objective: Objective,
  everyRow: Uint32Array,
  { strategy: name, options, batchSize }: Extract<Method, { kind: 'strategy' }>,
  { seed, examples }: TrainOptions,
): Generator<Moment, void> {
  const { create, table } = strategyOf(name);
  const strategy = create({ ...options, seed: BigInt(seed) });
  const { rows } = objective;
  const driver = new Driver({ strategy, rows, batchSize, batchSeed: BigInt(seed), budget: { examples } });
  const weights = new Weights(objective.dimension, table);
  const look = () => ({ loss: objective.loss(weights.head, everyRow) });
  yield { examples: 0, steps: 0, isLast: driver.isSpent, look };
  while (!driver.isSpent) {
    const { points, rows: chosen = everyRow } = driver.ask();
    const losses = points.map((point) => objective.loss(weights.at(point), chosen));
    const done = driver.tell(losses, chosen.length);
    if (done === undefined) continue;
    for (const action of done.actions) weights.perform(action);
    yield { examples: done.place.examplesForwarded, steps: done.place.step, isLast: driver.isSpent, look };
  }
}

function* byGradients(
  objective: Objective,
  everyRow: Uint32Array,
  { learningRate, batchSize }: Extract<Method, { kind: 'gradient-descent' }>,
  { seed, examples }: TrainOptions,
): Generator<Moment, void> {
  const weights = new Float64Array(objective.dimension);
  const look = () => ({ loss: objective.loss(weights, everyRow) });
  const cost = FORWARDS_PER_GRADIENT * batchSize;
  const rowsOf = batchRows({ rows: objective.rows, batchSize, seed: BigInt(seed) });
  const steps = Math.floor(examples / cost);
  yield { examples: 0, steps: 0, isLast: steps === 0, look };
  for (let step = 1; step <= steps; step++) {
    const rows = batchSize === objective.rows ? everyRow : rowsOf({ kind: 'mini-batch', index: step - 1 })!;
    const gradient = objective.gradient(weights, rows);
    for (let i = 0; i < weights.length; i++) weights[i] -= learningRate * gradient[i];
    yield { examples: step * cost, steps: step, isLast: step === steps, look };
  }
}

class Weights {
  readonly #table: Float32Array;
  readonly #snapshots = new Map<string, Float64Array>();
  head: Float64Array;

  constructor(dimension: number, table: TableKind) {
    this.head = new Float64Array(dimension);
    this.#table = noiseTable(table);
  }

  at({ anchor, shifts }: Point): Float64Array {
    return this.#moved(anchor.kind === 'snapshot' ? this.#snapshots.get(anchor.name)! : this.head, shifts);
  }

  perform(action: Action): void {
    if (action.kind === 'snapshot') this.#snapshots.set(action.name, this.head);
    else if (action.kind === 'decay') this.head = this.head.map((weight) => weight * action.factor);
    else this.head = this.#moved(this.head, action.shifts);
  }

  #moved(from: Float64Array, shifts: readonly Shift[]): Float64Array {
    const moved = Float64Array.from(from);
    for (const { seed, scale } of shifts) {
      const z = direction(this.#table, seed, 0, moved.length);
      for (let i = 0; i < moved.length; i++) moved[i] += scale * z[i];
    }
    return moved;
  }
}
