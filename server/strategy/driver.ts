// A strategy on its way through a training: which rows its questions are about, what it has cost, and when the budget is spent. Pure, so
// that whoever asks the run (a client over the wire, the server itself) makes the same steps.
import { batchRows, costOf } from './batches.ts';
import type { Action, Question, StepReport, Strategy } from './strategy.ts';

/** Steps or examples forwarded, over the whole training. */
export type Budget =
  | {
      /** Of the strategy. */
      readonly steps: number;
    }
  | {
      /** Points times rows, as reports count them. */
      readonly examples: number;
    };

/** Plain data, as a strategy's state is: where a training is between two steps. */
export type Place<State> = {
  /** The strategy's own. */
  readonly state: State;
  /** How many there have been. */
  readonly step: number;
  /** In all of them. */
  readonly examplesForwarded: number;
};

export type DriverOptions<State> = {
  readonly strategy: Strategy<State>;
  /** Rows of the dataset. */
  readonly rows: number;
  /** Rows of a mini-batch. */
  readonly batchSize: number;
  /** uint64: which rows come when. */
  readonly batchSeed: bigint;
  readonly budget: Budget;
  /** Where an earlier training with these options was left. Default: at the start. */
  readonly from?: Place<State> | undefined;
};

/** What a run is asked, and the rows of the dataset that it is about; all of them where there are none. */
export type Round = Pick<Question, 'points'> & { readonly rows: readonly number[] | undefined };

/** A step that is told: what it did, what the run has to do, and where the training is once that is done. */
export type Done<State> = {
  readonly report: StepReport;
  readonly actions: readonly Action[];
  readonly place: Place<State>;
};

export class Driver<State> {
  readonly #options: DriverOptions<State>;
  readonly #rowsOf: ReturnType<typeof batchRows>;
  /** Behind the last whole step. */
  #place: Place<State>;
  /** Within a step of several rounds. */
  #state: State;

  /** @throws ZerothError naming an option. */
  constructor(options: DriverOptions<State>) {
    const { strategy, rows, batchSize, batchSeed, from } = options;
    this.#options = options;
    this.#rowsOf = batchRows({ rows, batchSize, seed: batchSeed });
    this.#place = from ?? { state: strategy.start(), step: 0, examplesForwarded: 0 };
    this.#state = this.#place.state;
  }

  get place(): Place<State> {
    return this.#place;
  }

  /** Whether the next step would exceed the budget. */
  get isSpent(): boolean {
    const { budget, strategy, rows, batchSize } = this.#options;
    const { step, examplesForwarded, state } = this.#place;
    if ('steps' in budget) return step >= budget.steps;
    return examplesForwarded + costOf(strategy.ask(state), { rows, batchSize }) > budget.examples;
  }

  /** The next round of the step under way, or the first one of the next step. */
  ask(): Round {
    const { points, batch } = this.#options.strategy.ask(this.#state);
    return { points, rows: this.#rowsOf(batch) };
  }

  /**
   * @param losses in the order of the points.
   * @param examples that one point was evaluated on.
   * @returns undefined where the step goes on with another round.
   */
  tell(losses: readonly number[], examples: number): Done<State> | undefined {
    const { state, actions, report } = this.#options.strategy.tell(this.#state, { losses, examples });
    this.#state = state;
    if (report === undefined) return undefined;
    const examplesForwarded = this.#place.examplesForwarded + report.examplesForwarded;
    this.#place = { state, step: this.#place.step + 1, examplesForwarded };
    return { report, actions, place: this.#place };
  }
}
