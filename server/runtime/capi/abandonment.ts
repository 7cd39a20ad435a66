// Ends a run when its caller has gone. The main thread says so in shared memory; this thread hears it while a run is under way
// on another one.

export class Abandonment {
  readonly #flag: Int32Array | undefined;
  /** The one wait on the flag that is open; waits cannot be withdrawn, so it is used again by later runs. */
  #waiting: Promise<unknown> | undefined;
  #end: (() => void) | undefined;

  /** @param flag One int32 in shared memory, not 0 while the caller is gone. */
  constructor(flag: Int32Array | undefined) {
    this.#flag = flag;
  }

  /** @param end Called at most once, while the work is under way. */
  async during<T>(end: () => void, work: Promise<T>): Promise<T> {
    this.#end = end;
    this.#tell();
    try {
      return await work;
    } finally {
      this.#end = undefined;
    }
  }

  #tell(): void {
    if (this.#flag === undefined || this.#end === undefined) return;
    if (Atomics.load(this.#flag, 0) === 0) {
      this.#listen(this.#flag);
      return;
    }
    const end = this.#end;
    this.#end = undefined;
    end();
  }

  #listen(flag: Int32Array): void {
    if (this.#waiting !== undefined) return;
    const { async, value } = Atomics.waitAsync(flag, 0, 0);
    if (!async) {
      this.#tell();
      return;
    }
    this.#waiting = value.then(() => {
      this.#waiting = undefined;
      this.#tell();
    });
  }
}
