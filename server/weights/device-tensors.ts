// The tensors of a run in the memory of a device: what is done there, not when (device.ts).
import type { KernelMove } from '../kernel/kernel.ts';
import type { TableKind } from '../noise/table.ts';
import type { DeviceTensor } from '../runtime/runtime.ts';
import type { WeightSpec } from './weights.ts';

export type DeviceTensorsOptions = {
  /** Larger tensors move in parts of so many blocks of 64 weights, a multiple of 16; where they move by parts. */
  readonly partBlocks?: number;
};

/** What moves weights on one device, for all runs there. */
export interface DeviceMovers extends Disposable {
  readonly tableKind: TableKind;
  /** @throws ZerothError exhausted, saying which tensor, where memory is not to be had. */
  place(specs: readonly WeightSpec[], options: DeviceTensorsOptions): DeviceTensors;
}

export interface DeviceTensors extends Disposable {
  /** In the shapes of their specs. */
  readonly values: readonly DeviceTensor[];
  /** Directions that were hashed on the host and uploaded, so far. */
  readonly uploads: number;
  upload(tensor: number, values: Float32Array): void;
  download(tensor: number, into: Float32Array): void;
  /** The largest magnitude; NaN where a weight is. */
  largest(tensor: number): number;
  /** At most DIRECTIONS_KEPT moves, whose sum is exact in any order (plan.ts). It may wait for `flush`, so that tensors move together. */
  move(tensor: number, pass: readonly KernelMove[]): void;
  /** @param step q of the coarser grid. */
  regrid(tensor: number, step: number): void;
  /** Begins what waits, so that whatever runs next finds it done. */
  flush(): void;
}
