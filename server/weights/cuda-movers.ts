// Weights on a card of NVIDIA's, moved by kernels of our own. What crosses the bus a move are some 100 bytes a tensor.
import type { KernelMove } from '../kernel/kernel.ts';
import { BLOCK } from '../noise/direction.ts';
import { noiseTable, TABLE_COLUMNS, TABLE_ROWS, type TableKind } from '../noise/table.ts';
import type { DeviceBuffer, DeviceMemory, DeviceTensor, Kernels } from '../runtime/runtime.ts';
import { elementCount } from '../tensor.ts';
import { CUDA_SOURCE, ENTRY_BYTES, ENTRY_MOVES, GROUP_WEIGHTS } from './cuda-source.ts';
import type { DeviceMovers, DeviceTensors } from './device-tensors.ts';
import type { WeightSpec } from './weights.ts';

const LANES = 32;
const GROUP_BLOCKS = GROUP_WEIGHTS / BLOCK;

export class CudaMovers implements DeviceMovers {
  readonly tableKind: TableKind;
  readonly memory: DeviceMemory;
  readonly kernels: Kernels;
  readonly table: DeviceBuffer;
  readonly #stack = new DisposableStack();

  /** @throws ZerothError exhausted; Error where the kernels cannot be compiled here. */
  constructor(memory: DeviceMemory, kernels: Kernels, tableKind: TableKind) {
    this.tableKind = tableKind;
    this.memory = memory;
    using opened = new DisposableStack();
    this.kernels = opened.use(kernels);
    const values = noiseTable(tableKind);
    this.table = opened.use(memory.allocate(values.byteLength, 'the noise table'));
    memory.upload([{ from: values, to: this.table.tensor('float32', [TABLE_ROWS, TABLE_COLUMNS]) }]);
    this.#stack.use(opened.move());
  }

  /** Undefined where the device takes no code of ours. */
  static open(memory: DeviceMemory, tableKind: TableKind): CudaMovers | undefined {
    const kernels = memory.kernels?.(CUDA_SOURCE);
    return kernels && new CudaMovers(memory, kernels, tableKind);
  }

  place(specs: readonly WeightSpec[]): DeviceTensors {
    return new CudaTensors(specs, this);
  }

  [Symbol.dispose](): void {
    this.#stack.dispose();
  }
}

type Placed = {
  readonly address: bigint;
  readonly length: number;
  readonly blocks: number;
  readonly shaped: DeviceTensor;
  readonly flat: DeviceTensor;
};

type Entry = { readonly tensor: number; readonly moves: readonly KernelMove[] };

class CudaTensors implements DeviceTensors {
  /** None: hash words are made where they are needed. */
  readonly uploads = 0;
  readonly #movers: CudaMovers;
  readonly #placed: readonly Placed[];
  readonly #entries: DeviceBuffer;
  readonly #entriesAs: DeviceTensor;
  readonly #found: DeviceBuffer;
  readonly #foundAs: DeviceTensor;
  /** Moves that have not begun: those of all tensors go in one launch. */
  #waiting: Entry[] = [];
  readonly #stack = new DisposableStack();

  /** @throws ZerothError exhausted, saying which tensor, where memory is not to be had. */
  constructor(specs: readonly WeightSpec[], movers: CudaMovers) {
    this.#movers = movers;
    using opened = new DisposableStack();
    const bytes = specs.reduce((sum, { shape }) => sum + 4 * elementCount(shape), 0);
    this.#placed = specs.map((spec) => place(opened, movers.memory, spec, bytes));
    const entriesBytes = Math.max(1, specs.length) * ENTRY_BYTES;
    this.#entries = opened.use(movers.memory.allocate(entriesBytes, 'what moves'));
    this.#entriesAs = this.#entries.tensor('uint8', [entriesBytes]);
    this.#found = opened.use(movers.memory.allocate(4, 'a magnitude'));
    this.#foundAs = this.#found.tensor('uint32', [1]);
    this.#stack.use(opened.move());
  }

  get values(): readonly DeviceTensor[] {
    return this.#placed.map(({ shaped }) => shaped);
  }

  upload(tensor: number, values: Float32Array): void {
    this.flush();
    if (values.length > 0) this.#movers.memory.upload([{ from: values, to: this.#placed[tensor].flat }]);
  }

  download(tensor: number, into: Float32Array): void {
    this.flush();
    if (into.length > 0) this.#movers.memory.download(this.#placed[tensor].flat, into);
  }

  largest(tensor: number): number {
    this.flush();
    const { address, length } = this.#placed[tensor];
    const { kernels, memory } = this.#movers;
    const bits = new Uint32Array(1);
    memory.upload([{ from: bits, to: this.#foundAs }]);
    kernels.launch('largest', length, [address, length, this.#found.address]);
    memory.download(this.#foundAs, bits);
    return new Float32Array(bits.buffer)[0];
  }

  move(tensor: number, pass: readonly KernelMove[]): void {
    for (let done = 0; done < pass.length; done += ENTRY_MOVES) {
      // A launch has no order among its entries.
      if (this.#waiting.some((entry) => entry.tensor === tensor)) this.flush();
      this.#waiting.push({ tensor, moves: pass.slice(done, done + ENTRY_MOVES) });
    }
  }

  regrid(tensor: number, step: number): void {
    this.flush();
    const { address, length } = this.#placed[tensor];
    const bits = new BigUint64Array(Float64Array.of(step).buffer)[0];
    this.#movers.kernels.launch('regrid', length, [address, length, bits]);
    this.#movers.kernels.wait();
  }

  flush(): void {
    const waiting = this.#waiting;
    if (waiting.length === 0) return;
    this.#waiting = [];
    const { kernels, memory, table } = this.#movers;
    const { bytes, groups } = encode(waiting, this.#placed);
    memory.upload([{ from: bytes, to: this.#entriesAs }]);
    const args = [this.#entries.address, waiting.length, groups, table.address];
    kernels.launch('move', groups * LANES, args);
    kernels.wait();
  }

  [Symbol.dispose](): void {
    this.#stack.dispose();
  }
}

function place(
  opened: DisposableStack,
  memory: DeviceMemory,
  { name, shape }: WeightSpec,
  bytesOfAll: number,
): Placed {
  const length = elementCount(shape);
  const blocks = Math.ceil(length / BLOCK);
  const what = `tensor ${name} of ${bytesOfAll} bytes of weights`;
  const buffer = opened.use(memory.allocate(blocks * BLOCK * 4, what));
  const { address } = buffer;
  return {
    address,
    length,
    blocks,
    shaped: buffer.tensor('float32', shape),
    flat: buffer.tensor('float32', [length]),
  };
}

/** As the kernel has them (cuda-source.ts, Entry), and how many groups of weights they have in all. */
function encode(entries: readonly Entry[], placed: readonly Placed[]) {
  const view = new DataView(new ArrayBuffer(placed.length * ENTRY_BYTES));
  let groups = 0;
  for (const [i, { tensor, moves }] of entries.entries()) {
    const at = i * ENTRY_BYTES;
    const { address, blocks } = placed[tensor];
    view.setBigUint64(at, address, true);
    view.setBigUint64(at + 8, BigInt(blocks), true);
    view.setBigUint64(at + 16, BigInt(groups), true);
    view.setUint32(at + 24, tensor, true);
    view.setUint32(at + 28, moves.length, true);
    for (const [direction, { seed, unit, step }] of moves.entries()) {
      const move = at + 32 + 16 * direction;
      view.setBigUint64(move, seed, true);
      view.setFloat32(move + 8, unit, true);
      view.setFloat32(move + 12, step, true);
    }
    groups += Math.ceil(blocks / GROUP_BLOCKS);
  }
  return { bytes: new Uint8Array(view.buffer), groups };
}
