// The memory that weights may take, counted by all threads together: the main thread counts the
// seats it opens, workers count the copies that they keep to save time.

/** What threads share of a budget. */
export type SharedBudget = { readonly bytesMax: number; readonly used: SharedArrayBuffer };

export class WeightsBudget {
  readonly shared: SharedBudget;
  readonly #used: BigInt64Array;

  constructor(shared: SharedBudget) {
    this.shared = shared;
    this.#used = new BigInt64Array(shared.used);
  }

  static of(bytesMax: number): WeightsBudget {
    return new WeightsBudget({ bytesMax, used: new SharedArrayBuffer(8) });
  }

  /** Less than 0 where copies have taken what a seat opened meanwhile needs too. */
  get left(): number {
    return this.shared.bytesMax - Number(Atomics.load(this.#used, 0));
  }

  take(bytes: number): void {
    Atomics.add(this.#used, 0, BigInt(bytes));
  }

  give(bytes: number): void {
    Atomics.sub(this.#used, 0, BigInt(bytes));
  }

  /** Takes nothing where there is too little left. */
  tryTake(bytes: number): boolean {
    this.take(bytes);
    if (this.left >= 0) return true;
    this.give(bytes);
    return false;
  }
}

/** The copies of one run within the budget: made by its worker, looked at and closed by the main thread. */
export class CopyAccount {
  readonly shared: SharedArrayBuffer;
  readonly #budget: WeightsBudget;
  readonly #bytes: BigInt64Array;

  constructor(budget: WeightsBudget, shared: SharedArrayBuffer = new SharedArrayBuffer(8)) {
    this.#budget = budget;
    this.shared = shared;
    this.#bytes = new BigInt64Array(shared);
  }

  get bytes(): number {
    return Math.max(0, Number(Atomics.load(this.#bytes, 0)));
  }

  tryTake(bytes: number): boolean {
    if (!this.#budget.tryTake(bytes)) return false;
    if (this.#add(BigInt(bytes))) return true;
    this.#budget.give(bytes);
    return false;
  }

  give(bytes: number): void {
    if (this.#add(-BigInt(bytes))) this.#budget.give(bytes);
  }

  /** The seat has gone: gives back what its copies took, and whatever its worker still does changes nothing. */
  close(): void {
    const bytes = Atomics.exchange(this.#bytes, 0, CLOSED);
    if (bytes !== CLOSED) this.#budget.give(Number(bytes));
  }

  /** @returns whether the account is open. */
  #add(bytes: bigint): boolean {
    for (;;) {
      const before = Atomics.load(this.#bytes, 0);
      if (before === CLOSED) return false;
      if (Atomics.compareExchange(this.#bytes, 0, before, before + bytes) === before) return true;
    }
  }
}

const CLOSED = -1n;
