// Compiled code on a card: kernels by name, and how they are started.
import { addressOf, pointers } from '../capi/values.ts';
import type { KernelArgument, Kernels } from '../runtime.ts';
import { compile } from './compiler.ts';
import type { CudaDriver } from './driver.ts';

const THREADS = 256;

/** Thread blocks a multiprocessor: as many as are there at once, so that each finds the next part of the work by itself. */
const BLOCKS_PER_MULTIPROCESSOR = 2048 / THREADS;

/** Of a kernel. */
const ARGUMENTS_MAX = 16;

export class CudaKernels implements Kernels {
  readonly threads: number;
  readonly #driver: CudaDriver;
  readonly #module: bigint;
  readonly #kernels = new Map<string, bigint>();
  /** Eight bytes each. They are kept, as the driver reads them where they lie: what nobody needs any more may be gone before it has. */
  readonly #values = new BigUint64Array(ARGUMENTS_MAX);
  /** Where each of them is. */
  readonly #parameters: BigUint64Array;

  /** @throws Error where the source cannot be compiled for this card. */
  constructor(driver: CudaDriver, source: string) {
    this.#driver = driver;
    this.#module = driver.load(compile(source, driver.architecture));
    const at = addressOf(this.#values);
    this.#parameters = pointers(Array.from(this.#values, (_, i) => at + BigInt(8 * i)));
    this.threads = driver.multiprocessors * BLOCKS_PER_MULTIPROCESSOR * THREADS;
  }

  launch(name: string, threads: number, args: readonly KernelArgument[]): void {
    const kernel = this.#kernels.get(name) ?? this.#driver.find(this.#module, name);
    this.#kernels.set(name, kernel);
    for (const [i, value] of args.entries()) this.#values[i] = BigInt(value);
    const blocks = Math.max(1, Math.ceil(Math.min(threads, this.threads) / THREADS));
    this.#driver.launch(kernel, blocks, THREADS, this.#parameters);
  }

  wait(): void {
    this.#driver.wait();
  }

  [Symbol.dispose](): void {
    this.#driver.unload(this.#module);
  }
}
