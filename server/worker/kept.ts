// Copies of tensors as they were at snapshots that a barrier has cut off: undo stops at a regrid and at a decay, and
// without a copy the way back begins at the base. They save time only, so they are bounded.
import type { Grid } from '../noise/grid.ts';
import type { CopyAccount } from './budget.ts';

export type KeptTensor = { readonly values: Float32Array; readonly grid: Grid };

export class KeptTensors {
  readonly #bytesMax: number;
  readonly #account: CopyAccount;
  #bytes = 0;
  /** By the snapshot's state (timeline.ts, canonical revision), then by tensor. */
  readonly #states = new Map<number, Map<number, KeptTensor>>();

  /** @param bytesMax as much as the weights themselves is a good bound. */
  constructor(bytesMax: number, account: CopyAccount) {
    this.#bytesMax = bytesMax;
    this.#account = account;
  }

  /** The states that have names; copies of others go. */
  setStates(states: readonly number[]): void {
    for (const [state, kept] of this.#states) {
      if (states.includes(state)) continue;
      for (const { values } of kept.values()) this.#free(values.byteLength);
      this.#states.delete(state);
    }
    for (const state of states) if (!this.#states.has(state)) this.#states.set(state, new Map());
  }

  get states(): readonly number[] {
    return [...this.#states.keys()];
  }

  has(state: number, tensor: number): boolean {
    return this.#states.get(state)?.has(tensor) ?? false;
  }

  /** Where the state has a name and there is room. */
  keep(state: number, tensor: number, copy: KeptTensor): void {
    const kept = this.#states.get(state);
    if (kept === undefined || kept.has(tensor)) return;
    const bytes = copy.values.byteLength;
    if (this.#bytes + bytes > this.#bytesMax || !this.#account.tryTake(bytes)) return;
    kept.set(tensor, copy);
    this.#bytes += bytes;
  }

  hasState(state: number): boolean {
    return this.#states.has(state);
  }

  get isEmpty(): boolean {
    return this.#states.size === 0;
  }

  /** Copies of exactly these tensors at a state, or undefined where one is missing. */
  find(state: number, tensors: ReadonlySet<number>): ReadonlyMap<number, KeptTensor> | undefined {
    const kept = this.#states.get(state);
    const found = new Map<number, KeptTensor>();
    for (const tensor of tensors) {
      const copy = kept?.get(tensor);
      if (copy === undefined) return undefined;
      found.set(tensor, copy);
    }
    return found;
  }

  #free(bytes: number): void {
    this.#bytes -= bytes;
    this.#account.give(bytes);
  }
}
