// What moves weights on a device of any kind: compiled graphs and the noise table.
import { noiseTable, TABLE_COLUMNS, TABLE_ROWS, type TableKind } from '../noise/table.ts';
import type { DeviceMemory, DeviceTensor, Program } from '../runtime/runtime.ts';
import type { Tensor } from '../tensor.ts';
import type { DeviceMovers, DeviceTensors, DeviceTensorsOptions } from './device-tensors.ts';
import { GraphTensors } from './graph-tensors.ts';
import {
  type Extent,
  largestOfBlocksGraph,
  largestOfRestGraph,
  moveGraph,
  names,
  regridGraph,
} from './move-graphs.ts';
import type { WeightSpec } from './weights.ts';

export class Movers implements DeviceMovers {
  readonly memory: DeviceMemory;
  readonly tableKind: TableKind;
  /** Whether graphs may write where they read; else there is a spare place, which is copied back. */
  readonly isInPlace: boolean;
  readonly table: DeviceTensor;
  readonly #programs = new Map<string, Program>();
  readonly #stack = new DisposableStack();

  /** @param isInPlace What a self-test has shown to be right on this device (self-test.ts). */
  constructor(memory: DeviceMemory, tableKind: TableKind, isInPlace: boolean) {
    this.memory = memory;
    this.tableKind = tableKind;
    this.isInPlace = isInPlace;
    const values = noiseTable(tableKind);
    using opened = new DisposableStack();
    const buffer = opened.use(memory.allocate(values.byteLength, 'the noise table'));
    this.table = buffer.tensor('float32', [TABLE_ROWS, TABLE_COLUMNS]);
    memory.upload([{ from: values, to: this.table }]);
    this.#stack.use(opened.move());
    this.#stack.defer(() => {
      for (const program of this.#programs.values()) program[Symbol.dispose]();
    });
  }

  place(specs: readonly WeightSpec[], options: DeviceTensorsOptions): DeviceTensors {
    return new GraphTensors(specs, this, options);
  }

  mover(directions: number, extent: Extent): Program {
    return this.#program(`move ${directions} ${extent}`, () => moveGraph(directions, extent));
  }

  regridder(extent: Extent): Program {
    return this.#program(`regrid ${extent}`, () => regridGraph(extent));
  }

  /** @returns the largest magnitude of a tensor, given as whole blocks and what is behind them. */
  largest({ whole, flat }: { readonly whole: DeviceTensor; readonly flat: DeviceTensor }): number {
    const [from, to] = [whole.shape[0] * whole.shape[1], flat.shape[0]];
    using buffer = this.memory.allocate(4, 'a magnitude');
    const out = buffer.tensor('float32', [1]);
    let largest = 0;
    const found = new Float32Array(1);
    const run = (program: Program, inputs: Record<string, DeviceTensor>, bounds: Record<string, number>) => {
      using binding = program.bind(inputs, { [names.largest]: out });
      for (const [name, value] of Object.entries(bounds))
        binding.set(name, int64(BigInt64Array.of(BigInt(value))));
      binding.run();
      this.memory.download(out, found);
      largest = Math.max(largest, found[0]);
    };
    if (from > 0) run(this.#program('blocks', largestOfBlocksGraph), { [names.weights]: whole }, {});
    if (to > from) {
      const bounds = { [names.from]: from, [names.to]: to };
      run(this.#program('rest', largestOfRestGraph), { [names.flat]: flat }, bounds);
    }
    return largest;
  }

  [Symbol.dispose](): void {
    this.#stack.dispose();
  }

  #program(key: string, graph: () => Uint8Array): Program {
    const program = this.#programs.get(key) ?? this.memory.program(graph());
    this.#programs.set(key, program);
    return program;
  }
}

/** As an input of a graph: [n]. */
export function int64(values: BigInt64Array): Tensor {
  const { buffer, byteOffset, byteLength } = values;
  return { dataType: 'int64', shape: [values.length], data: new Uint8Array(buffer, byteOffset, byteLength) };
}
