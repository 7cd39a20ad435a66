// Trials that are out: who has each, and until when nobody else gets it.
import type { Trial } from '../plan/plan.ts';

export class OpenTrials {
  readonly #trials: Map<number, Trial>;

  constructor(trials: readonly Trial[]) {
    this.#trials = new Map(trials.map((trial) => [trial.number, trial]));
  }

  get count(): number {
    return this.#trials.size;
  }

  find(number: number): Trial | undefined {
    return this.#trials.get(number);
  }

  /** New, or leased anew. */
  put(trials: readonly Trial[]): void {
    for (const trial of trials) this.#trials.set(trial.number, trial);
  }

  remove(numbers: readonly number[]): void {
    for (const number of numbers) this.#trials.delete(number);
  }

  /** Those whose lease has ended, the oldest trials first. */
  ended(nowMs: number, limit: number, without: ReadonlySet<number>): Trial[] {
    const ended = [];
    for (const trial of this.#trials.values()) {
      if (ended.length >= limit) break;
      if (trial.leaseEndMs <= nowMs && !without.has(trial.number)) ended.push(trial);
    }
    return ended;
  }

  /** When the next lease ends; Infinity where there is none. */
  nextEndMs(): number {
    let next = Infinity;
    for (const { leaseEndMs } of this.#trials.values()) next = Math.min(next, leaseEndMs);
    return next;
  }
}
