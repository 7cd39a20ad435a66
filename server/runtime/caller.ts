// The caller of the work in progress, in memory that his worker and the main thread share. A worker is deaf while it computes, so the
// main thread itself ends the run: koffi's asynchronous calls would leave the worker its ears, but they run on libuv's pool, whose
// four threads the whole process has for its files and hashes, too.
import { ZerothError } from '../errors.ts';
import { call, type Pointer } from './capi/api.ts';

const SHARED_BYTES = 16;
const RUN_OPTIONS_AT = 8;

export class Caller {
  readonly shared: SharedArrayBuffer;
  readonly #isGone: Int32Array;
  /** Where the worker's runs are ended; 0 where they cannot be. */
  readonly #runOptions: BigUint64Array;

  constructor(shared: SharedArrayBuffer = new SharedArrayBuffer(SHARED_BYTES)) {
    this.shared = shared;
    this.#isGone = new Int32Array(shared, 0, 1);
    this.#runOptions = new BigUint64Array(shared, RUN_OPTIONS_AT, 1);
  }

  /** The next one's work is about to be sent. */
  arrive(isGone: boolean): void {
    Atomics.store(this.#isGone, 0, isGone ? 1 : 0);
  }

  /** Before the answer came: a run that is under way ends at its next node. */
  leave(): void {
    Atomics.store(this.#isGone, 0, 1);
    const runOptions = Atomics.load(this.#runOptions, 0);
    if (runOptions !== 0n) call('RunOptionsSetTerminate', runOptions);
  }

  get isGone(): boolean {
    return Atomics.load(this.#isGone, 0) !== 0;
  }

  /** @throws ZerothError cancelled */
  checkThere(): void {
    if (this.isGone) throw new ZerothError('cancelled', 'the caller has gone');
  }

  /**
   * What all runs of the worker have in common, for as long as it takes work. 0n takes it back: to be called before they are given
   * back, and when nobody can leave any more.
   */
  setRunOptions(runOptions: Pointer): void {
    Atomics.store(this.#runOptions, 0, runOptions);
  }

  /**
   * Runs for a caller who is there. He may leave at any moment: before the first line he is found out by the second, after it the run
   * ends early.
   */
  run(runOptions: Pointer, work: () => void): void {
    call('RunOptionsUnsetTerminate', runOptions);
    this.checkThere();
    work();
  }
}
