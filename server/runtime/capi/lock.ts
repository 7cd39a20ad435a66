// One queue for the device, across all threads of the process: two sessions that touch WebGPU at once share a command encoder,
// and crash. Host sessions need none. It keeps no order: who has just given it back mostly takes it again, so that the many
// small calls of a move do not each wait for another model's forward pass; but neither is it fair (two threads that held it for 10 ms with
// 30 us between came to 406 turns and 92 in 5 s, and waited 0.7 s at most).

/** How often a thread that waits looks again, whether it was woken or not. */
const LOOK_MS = 20;

const FREE = 0;

export class DeviceLock {
  /** What threads share: who holds it. */
  readonly shared: SharedArrayBuffer;
  readonly #holder: Int32Array;
  readonly #me: number;

  /** @param me Another number than every other thread's, and not 0. */
  constructor(me: number, shared: SharedArrayBuffer = new SharedArrayBuffer(4)) {
    this.shared = shared;
    this.#holder = new Int32Array(shared);
    this.#me = me;
  }

  /** Blocks until the device is free. What is called inside may hold it too. */
  hold<T>(work: () => T): T {
    if (this.#isMine) return work();
    this.#take();
    try {
      return work();
    } finally {
      this.#give();
    }
  }

  /** A thread that ended with it will not give it back. */
  releaseFrom(thread: number): void {
    if (Atomics.compareExchange(this.#holder, 0, thread, FREE) === thread) Atomics.notify(this.#holder, 0, 1);
  }

  get #isMine(): boolean {
    return Atomics.load(this.#holder, 0) === this.#me;
  }

  #take(): void {
    for (;;) {
      const holder = Atomics.compareExchange(this.#holder, 0, FREE, this.#me);
      if (holder === FREE) return;
      Atomics.wait(this.#holder, 0, holder, LOOK_MS);
    }
  }

  #give(): void {
    Atomics.store(this.#holder, 0, FREE);
    Atomics.notify(this.#holder, 0, 1);
  }
}
