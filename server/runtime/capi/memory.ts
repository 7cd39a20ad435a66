// Memory of a device over the C API: buffers, values over them, copies, and the small graphs that work on them.
import { GraphWriter } from '../../onnx/graph-writer.ts';
import { type DataType, tensorBytes } from '../../tensor.ts';
import type { CudaDriver } from '../cuda/driver.ts';
import { CudaKernels } from '../cuda/kernels.ts';
import { allocationError, deviceError } from '../errors.ts';
import type { DeviceBuffer, DeviceMemory, DeviceTensor, Kernels } from '../runtime.ts';
import { call, make, OrtError, type Pointer } from './api.ts';
import { CApiBuffer } from './buffer.ts';
import { type Context, environmentOfProcess, openSession } from './context.ts';
import { Owner } from './handles.ts';
import { type CApiProgram, openProgram } from './program.ts';
import { overHost, pointers } from './values.ts';

/** The least that is allocated: every buffer has an element to be read when it is new. */
const BUFFER_BYTES_MIN = 4;

/** Anything that is not 0. */
const PATTERN = 0x5a45524f;

export class CApiMemory implements DeviceMemory {
  readonly #context: Context;
  /** Of the session that came first, which lives as long as this. */
  readonly #allocator: Pointer;
  /** Of a card of NVIDIA's: its driver copies, and has kernels. */
  readonly #driver: CudaDriver | undefined;
  readonly #copiers = new Map<DataType, CApiProgram>();
  /** Undefined until the first copy shows whether the environment can copy to this device. */
  #canCopyTensors: boolean | undefined;

  constructor(context: Context, owner: Owner, driver?: CudaDriver) {
    this.#context = context;
    this.#driver = driver;
    const session = openSession(owner, context, identity('float32'));
    this.#allocator = owner.own('ReleaseAllocator', make('CreateAllocator', session, context.deviceInfo));
    owner.defer(() => {
      for (const copier of this.#copiers.values()) copier[Symbol.dispose]();
    });
  }

  allocate(bytes: number, what: string): DeviceBuffer {
    return this.#context.lock.hold(() => {
      const buffer = this.#allocate(bytes, what);
      try {
        this.#checkThere(buffer);
        return buffer;
      } catch (error) {
        buffer[Symbol.dispose]();
        throw allocationError(error, bytes, what);
      }
    });
  }

  upload(copies: readonly { readonly from: ArrayBufferView; readonly to: DeviceTensor }[]): void {
    this.#held((owner) =>
      copies.map(({ from, to }) => ({
        from: this.#host(owner, from, to),
        to: to.handle,
        spec: to,
      })),
    );
  }

  download(from: DeviceTensor, into: ArrayBufferView): void {
    this.#held((owner) => [{ from: from.handle, to: this.#host(owner, into, from), spec: from }]);
  }

  copy(from: DeviceTensor, to: DeviceTensor): void {
    this.#held(() => [{ from: from.handle, to: to.handle, spec: from }]);
  }

  program(model: Uint8Array, options?: { readonly isStrict: boolean }): CApiProgram {
    return openProgram(this.#context, model, options);
  }

  kernels(source: string): Kernels | undefined {
    const driver = this.#driver;
    return driver && this.#context.lock.hold(() => new CudaKernels(driver, source));
  }

  /** WebGPU gives buffers that it has no memory for, takes what is written to them, and has nothing when it is read back. */
  #checkThere(buffer: DeviceBuffer): void {
    const first = buffer.tensor('uint32', [1]);
    const found = new Uint32Array(1);
    this.upload([{ from: Uint32Array.of(PATTERN), to: first }]);
    this.download(first, found);
    if (found[0] !== PATTERN)
      throw new Error(`a buffer of ${buffer.bytes} bytes does not keep what is written to it`);
  }

  #allocate(bytes: number, what: string): DeviceBuffer {
    const size = Math.max(bytes, BUFFER_BYTES_MIN);
    try {
      return new CApiBuffer(this.#context, this.#allocator, size);
    } catch (error) {
      throw allocationError(error, bytes, what);
    }
  }

  #host(owner: Owner, bytes: ArrayBufferView, { dataType, shape }: DeviceTensor): Pointer {
    const data = new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    return overHost(owner, this.#context.hostInfo, { dataType, shape, data });
  }

  #held(copiesOf: (owner: Owner) => readonly Copy[]): void {
    this.#context.lock.hold(() => {
      using owner = new Owner();
      const copies = copiesOf(owner);
      try {
        if (this.#driver !== undefined) this.#copyByDriver(this.#driver, copies);
        else if (this.#canCopyTensors === false || !this.#tryCopyTensors(copies))
          for (const { from, to, spec } of copies) this.#copier(spec.dataType).copy(from, to);
      } catch (error) {
        throw deviceError(error);
      }
    });
  }

  #copyByDriver(driver: CudaDriver, copies: readonly Copy[]): void {
    for (const { from, to, spec } of copies)
      driver.copy(make('GetTensorMutableData', from), make('GetTensorMutableData', to), tensorBytes(spec));
  }

  /** The environment copies for providers that say so to it, as WebGPU does. Where there is none, a graph copies. */
  #tryCopyTensors(copies: readonly Copy[]): boolean {
    const [from, to] = [pointers(copies.map((copy) => copy.from)), pointers(copies.map((copy) => copy.to))];
    try {
      call('CopyTensors', environmentOfProcess(), from, to, null, copies.length);
      this.#canCopyTensors = true;
    } catch (error) {
      if (!(error instanceof OrtError) || error.code !== 'NOT_IMPLEMENTED') throw error;
      this.#canCopyTensors = false;
    }
    return this.#canCopyTensors;
  }

  #copier(dataType: DataType): CApiProgram {
    const copier = this.#copiers.get(dataType) ?? this.program(identity(dataType));
    this.#copiers.set(dataType, copier);
    return copier;
  }
}

type Copy = {
  readonly from: Pointer;
  readonly to: Pointer;
  readonly spec: Pick<DeviceTensor, 'dataType' | 'shape'>;
};

/** y = x, of any shape. */
function identity(dataType: DataType): Uint8Array {
  const graph = new GraphWriter(18);
  graph.input('x', undefined, dataType);
  graph.add('Identity', ['x'], {}, 'y');
  graph.output('y', undefined, dataType);
  return graph.finish();
}
