// CUDA's driver, which whoever has a card of NVIDIA's has: copies on the card, and kernels of our own. ONNX Runtime is a guest of the
// same primary context, so that its memory is ours too.
import koffi, { type KoffiFunc } from 'koffi';
import { cText } from '../capi/values.ts';

const LIBRARY = process.platform === 'win32' ? 'nvcuda.dll' : 'libcuda.so.1';

const [P, U32, U64, INT, SIZE] = ['void*', 'uint32_t', 'uint64_t', 'int', 'size_t'] as const;

/** All of them answer with a CUresult, 0 where all went well. */
const signatures = {
  cuInit: [U32],
  cuDeviceGet: [P, INT],
  cuDeviceGetAttribute: [P, INT, INT],
  cuDevicePrimaryCtxRetain: [P, INT],
  cuCtxSetCurrent: [U64],
  cuCtxSynchronize: [],
  cuMemcpy: [U64, U64, SIZE],
  cuModuleLoadData: [P, P],
  cuModuleUnload: [U64],
  cuModuleGetFunction: [P, U64, P],
  cuLaunchKernel: [U64, U32, U32, U32, U32, U32, U32, U32, U64, P, P],
  cuGetErrorString: [INT, P],
} as const;

type Name = keyof typeof signatures;

// biome-ignore lint/suspicious/noExplicitAny: what goes in is in the table above
type Functions = Readonly<Record<Name, KoffiFunc<(...args: any[]) => number>>>;

/** CUdevice_attribute */
const COMPUTE_CAPABILITY_MAJOR = 75;
const COMPUTE_CAPABILITY_MINOR = 76;
const MULTIPROCESSOR_COUNT = 16;

/** ONNX Runtime computes on this one. */
const CARD = 0;

export class CudaDriver {
  /** 90 for compute capability 9.0. */
  readonly architecture: number;
  readonly multiprocessors: number;
  readonly #functions: Functions;
  readonly #context: bigint;
  readonly #out = new BigUint64Array(1);

  /** @throws Error where there is no driver, or no card. */
  constructor() {
    const library = koffi.load(LIBRARY);
    this.#functions = Object.fromEntries(
      Object.entries(signatures).map(([name, args]) => [name, library.func(name, INT, [...args])]),
    ) as Functions;
    this.#call('cuInit', 0);
    const card = Number(this.#make('cuDeviceGet', CARD));
    const attribute = (which: number) => Number(this.#make('cuDeviceGetAttribute', which, card));
    this.architecture = 10 * attribute(COMPUTE_CAPABILITY_MAJOR) + attribute(COMPUTE_CAPABILITY_MINOR);
    this.multiprocessors = attribute(MULTIPROCESSOR_COUNT);
    // Never given back: the context is ONNX Runtime's too, and lives as long as the process.
    this.#context = this.#make('cuDevicePrimaryCtxRetain', card);
    this.#enter();
  }

  /** Of so many bytes, from anywhere to anywhere; done when it returns. */
  copy(from: bigint, to: bigint, bytes: number): void {
    this.#enter();
    this.#call('cuMemcpy', to, from, bytes);
    // A copy on the card is only begun.
    this.#call('cuCtxSynchronize');
  }

  /** @returns the module's pointer. */
  load(image: Uint8Array): bigint {
    this.#enter();
    return this.#make('cuModuleLoadData', image);
  }

  unload(module: bigint): void {
    this.#enter();
    this.#call('cuModuleUnload', module);
  }

  find(module: bigint, kernel: string): bigint {
    const name = cText(kernel);
    this.#call('cuModuleGetFunction', this.#out, module, name);
    return this.#out[0];
  }

  /** Begins it behind whatever was begun before, but for what ONNX Runtime does; `parameters` has the addresses of its arguments. */
  launch(kernel: bigint, blocks: number, threads: number, parameters: BigUint64Array): void {
    this.#enter();
    this.#call('cuLaunchKernel', kernel, blocks, 1, 1, threads, 1, 1, 0, 0n, parameters, null);
  }

  /** Until all that was begun is done. */
  wait(): void {
    this.#enter();
    this.#call('cuCtxSynchronize');
  }

  /** ONNX Runtime may have left another context to this thread, or none. */
  #enter(): void {
    this.#call('cuCtxSetCurrent', this.#context);
  }

  /** What a function writes to its first parameter. */
  #make(name: Name, ...args: readonly unknown[]): bigint {
    this.#out[0] = 0n;
    this.#call(name, this.#out, ...args);
    return this.#out[0];
  }

  #call(name: Name, ...args: readonly unknown[]): void {
    const result = this.#functions[name](...args);
    if (result === 0) return;
    const at = new BigUint64Array(1);
    this.#functions.cuGetErrorString(result, at);
    const text = at[0] === 0n ? 'unknown' : (koffi.decode(at[0], 'char', -1) as string);
    throw new Error(`CUDA failure ${result}: ${text} (${name})`);
  }
}
