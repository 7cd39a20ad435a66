// A piece of a device's memory, and the values that describe it.
import type { DataType } from '../../tensor.ts';
import type { DeviceBuffer, DeviceTensor } from '../runtime.ts';
import { call, make, type Pointer } from './api.ts';
import type { Context } from './context.ts';
import { count, Owner } from './handles.ts';
import { valueOver } from './values.ts';

export class CApiBuffer implements DeviceBuffer {
  readonly bytes: number;
  readonly address: Pointer;
  readonly #context: Context;
  readonly #owner = new Owner();

  constructor(context: Context, allocator: Pointer, bytes: number) {
    this.#context = context;
    this.bytes = bytes;
    this.address = make('AllocatorAlloc', allocator, bytes);
    count('AllocatorFree', 1);
    this.#owner.defer(() => {
      call('AllocatorFree', allocator, this.address);
      count('AllocatorFree', -1);
    });
  }

  tensor(dataType: DataType, shape: readonly number[]): DeviceTensor {
    const value = valueOver(this.#context.deviceInfo, this.address, { dataType, shape });
    return { dataType, shape, handle: this.#owner.own('ReleaseValue', value) };
  }

  [Symbol.dispose](): void {
    this.#context.lock.hold(() => this.#owner[Symbol.dispose]());
  }
}
