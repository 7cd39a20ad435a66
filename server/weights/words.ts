// The hash words of directions on a device (noise/1, "Direction"): one for every 64 weights is all that a new direction uploads.
import { type BlockRange, Kernel, WEIGHTS_OFFSET } from '../kernel/kernel.ts';
import type { DeviceMemory, DeviceTensor } from '../runtime/runtime.ts';

/**
 * Directions that stay on the device, a 64th of the weights each. A pass takes as many; MeZO's step is about two, that before and its own,
 * MeZO-SVRG's about three.
 */
export const DIRECTIONS_KEPT = 4;

const PAGE_BYTES = 65536;
const WORD_BYTES = 4;

/** The kernel hashes so many at a time, and begins at a multiple of it. */
const WORDS_MULTIPLE = 16;

/** Blocks of one tensor that move together, from a multiple of 16 on. */
export type Piece = BlockRange;

type Slot = { readonly words: readonly DeviceTensor[]; seed: bigint | undefined };

export class Words implements Disposable {
  readonly #memory: DeviceMemory;
  readonly #pieces: readonly Piece[];
  readonly #kernel: Kernel;
  readonly #stack = new DisposableStack();
  /** The one that was used last is last. */
  #slots: Slot[] = [];
  #uploads = 0;

  constructor(memory: DeviceMemory, pieces: readonly Piece[]) {
    this.#memory = memory;
    this.#pieces = pieces;
    const words = pieces.reduce((sum, piece) => sum + roomOf(piece), 0);
    const pages = Math.ceil((WEIGHTS_OFFSET + words * WORD_BYTES) / PAGE_BYTES);
    this.#kernel = new Kernel(new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true }));
  }

  /** Directions that were hashed and uploaded, so far. */
  get uploads(): number {
    return this.#uploads;
  }

  /** By piece, int32 [blocks]; they hold until so many others as are kept have been asked for. */
  get(seed: bigint): readonly DeviceTensor[] {
    const slot = this.#slots.find((each) => each.seed === seed) ?? this.#fill(seed);
    this.#slots = [...this.#slots.filter((each) => each !== slot), slot];
    return slot.words;
  }

  [Symbol.dispose](): void {
    this.#stack.dispose();
  }

  #fill(seed: bigint): Slot {
    const slot = this.#slots.length < DIRECTIONS_KEPT ? this.#allocate() : this.#slots[0];
    slot.seed = undefined;
    let at = WEIGHTS_OFFSET;
    const copies = this.#pieces.map((piece, i) => {
      const from = this.#kernel.blockWords(at, piece, seed);
      at += roomOf(piece) * WORD_BYTES;
      return { from, to: slot.words[i] };
    });
    this.#memory.upload(copies);
    this.#uploads++;
    slot.seed = seed;
    return slot;
  }

  #allocate(): Slot {
    using opened = new DisposableStack();
    const words = this.#pieces.map(({ from, to }) => {
      const bytes = (to - from) * WORD_BYTES;
      const buffer = opened.use(this.#memory.allocate(bytes, 'the hash words of a direction'));
      return buffer.tensor('int32', [to - from]);
    });
    this.#stack.use(opened.move());
    const slot = { words, seed: undefined };
    this.#slots = [slot, ...this.#slots];
    return slot;
  }
}

function roomOf({ from, to }: Piece): number {
  return Math.ceil((to - from) / WORDS_MULTIPLE) * WORDS_MULTIPLE;
}
