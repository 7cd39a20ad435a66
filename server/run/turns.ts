// A run's turns in the queue of its model.
import type { LoadedModel } from './models.ts';
import type { Standing } from './standing.ts';

export type TurnOptions = {
  readonly signal?: AbortSignal | undefined;
  /** A rollback is the way out of weights that left their range; a damaged journal stays damaged. */
  readonly evenDiverged?: boolean;
};

export class Turns {
  readonly #run: string;
  readonly #standing: Standing;

  constructor(run: string, standing: Standing) {
    this.#run = run;
    this.#standing = standing;
  }

  /** @throws ZerothError where the run is not active when its turn comes. */
  take<T>(work: (model: LoadedModel) => Promise<T>, options: TurnOptions = {}): Promise<T> {
    const { state } = this.#standing;
    if (state.kind === 'dormant') return Promise.reject(state.error);
    const { model } = state;
    const inTurn = async () => {
      const now = this.#standing.state;
      const hasDiverged = now.kind === 'failed' && now.error.kind === 'run-failed';
      if (!options.evenDiverged || !hasDiverged) this.#standing.refuseUnlessActive();
      return work(model);
    };
    return model.scheduler.schedule(this.#run, inTurn, options.signal);
  }
}
