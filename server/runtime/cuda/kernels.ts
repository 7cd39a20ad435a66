// Compiled code on a card: kernels by name, and how they are started.
import { addressOf, pointers } from '../capi/values.ts';
import type { KernelArgument, Kernels } from '../runtime.ts';
import { compile } from './compiler.ts';
import type { CudaDriver } from './driver.ts';

const THREADS = 256;

/** Thread blocks a multiprocessor: as many as are there at once, so that each finds the next part of the work by itself. */
const BLOCKS_PER_MULTIPROCESSOR = 2048 / THREADS;

export class CudaKernels implements Kernels {
  readonly threads: number;
  readonly #driver: CudaDriver;
  readonly #module: bigint;
  readonly #kernels = new Map<string, bigint>();

  /** @throws Error where the source cannot be compiled for this card. */
  constructor(driver: CudaDriver, source: string) {
    this.#driver = driver;
    this.#module = driver.load(compile(source, driver.architecture));
    this.threads = driver.multiprocessors * BLOCKS_PER_MULTIPROCESSOR * THREADS;
  }

  launch(name: string, threads: number, args: readonly KernelArgument[]): void {
    const kernel = this.#kernels.get(name) ?? this.#driver.find(this.#module, name);
    this.#kernels.set(name, kernel);
    // Each argument has eight bytes, and the driver wants to know where.
    const values = new BigUint64Array(args.length);
    for (const [i, value] of args.entries()) values[i] = BigInt(value);
    const at = addressOf(values);
    const parameters = pointers(args.map((_, i) => at + BigInt(8 * i)));
    const blocks = Math.max(1, Math.ceil(Math.min(threads, this.threads) / THREADS));
    this.#driver.launch(kernel, blocks, THREADS, parameters);
  }

  wait(): void {
    this.#driver.wait();
  }

  [Symbol.dispose](): void {
    this.#driver.unload(this.#module);
  }
}
