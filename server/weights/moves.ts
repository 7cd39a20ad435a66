// Shifts to moves: equal shifts are counted, opposite ones cancel.
import type { Shift } from '../shift.ts';
import type { Move } from './weights.ts';

/**
 * A multiset of shifts. (seed, scale) and (seed, -scale) are each other's inverse exactly
 * (noise/1), so they share one count; scales that differ in magnitude quantize differently and are
 * kept apart.
 */
export class ShiftCount {
  readonly #counts = new Map<string, Move>();

  add(shifts: readonly Shift[], times = 1): this {
    for (const { seed, scale } of shifts) this.#addOne(seed, Math.abs(scale), scale < 0 ? -times : times);
    return this;
  }

  /** What has to be applied, in the order in which it was first added. */
  moves(): Move[] {
    return [...this.#counts.values()];
  }

  #addOne(seed: bigint, scale: number, times: number): void {
    if (scale === 0) return;
    const key = `${seed}:${scale}`;
    const total = (this.#counts.get(key)?.times ?? 0) + times;
    if (total === 0) this.#counts.delete(key);
    else this.#counts.set(key, { seed, scale, times: total });
  }
}
