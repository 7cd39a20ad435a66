// OrtValues: over memory of ours, over memory of a device, and what a run has made.
import koffi from 'koffi';
import { elementTypeOf, findDataType } from '../../onnx/element-types.ts';
import { elementBytes, type Tensor, tensorBytes } from '../../tensor.ts';
import { call, make, type Pointer } from './api.ts';
import { Owner } from './handles.ts';

type Described = Pick<Tensor, 'dataType' | 'shape'>;

/** A value over bytes of ours, which stay as long as their owner; copied only where they start between two elements. */
export function overHost(owner: Owner, hostInfo: Pointer, { dataType, shape, data }: Tensor): Pointer {
  const aligned = data.byteOffset % elementBytes[dataType] === 0 ? data : new Uint8Array(data);
  const value = valueOver(hostInfo, addressOf(aligned), { dataType, shape });
  // The value does not keep the array that it points to: this does.
  owner.defer(() => void aligned);
  return owner.own('ReleaseValue', value);
}

/** ONNX's numbers of element types are those of the C API too. */
export function valueOver(memoryInfo: Pointer, address: Pointer, spec: Described): Pointer {
  const shape = inOwnMemory(BigInt64Array.from(spec.shape, BigInt));
  const [bytes, type] = [tensorBytes(spec), elementTypeOf(spec.dataType)];
  return make('CreateTensorWithDataAsOrtValue', memoryInfo, address, bytes, shape, shape.length, type);
}

/** Where bytes lie. */
export function addressOf(view: ArrayBufferView): Pointer {
  return koffi.address(inOwnMemory(view)) as Pointer;
}

/** Reading `buffer` takes small arrays out of JavaScript's own heap, where they would move. */
function inOwnMemory<View extends ArrayBufferView>(view: View): View {
  void view.buffer;
  return view;
}

/** Text as C has it. */
export function cText(text: string): Uint8Array {
  return inOwnMemory(new Uint8Array(Buffer.from(`${text}\0`)));
}

export function pointers(list: readonly Pointer[]): BigUint64Array {
  return inOwnMemory(BigUint64Array.from(list));
}

/** A copy of what a value on the host holds; undefined where it is no tensor of numbers. */
export function toTensor(value: Pointer): Tensor | undefined {
  const spec = describeValue(value);
  if (spec === undefined) return undefined;
  const bytes = tensorBytes(spec);
  // An empty tensor may have no memory at all.
  if (bytes === 0) return { ...spec, data: new Uint8Array(0) };
  return { ...spec, data: new Uint8Array(koffi.view(make('GetTensorMutableData', value), bytes)).slice() };
}

/** What a run has made, the owner's from then on: in the order in which outputs were bound. */
export function boundOutputs(owner: Owner, allocator: Pointer, binding: Pointer): Pointer[] {
  const [list, size] = [inOwnMemory(new BigUint64Array(1)), inOwnMemory(new BigUint64Array(1))];
  call('GetBoundOutputValues', binding, allocator, list, size);
  const count = Number(size[0]);
  if (count === 0) return [];
  const values = new BigUint64Array(koffi.view(list[0], count * BigUint64Array.BYTES_PER_ELEMENT).slice(0));
  call('AllocatorFree', allocator, list[0]);
  return Array.from(values, (value) => owner.own('ReleaseValue', value));
}

export function describeValue(value: Pointer): Described | undefined {
  if (number('IsTensor', value) === 0) return undefined;
  using owner = new Owner();
  const info = owner.own('ReleaseTensorTypeAndShapeInfo', make('GetTensorTypeAndShape', value));
  const dataType = findDataType(number('GetTensorElementType', info));
  if (dataType === undefined) return undefined;
  const rank = Number(make('GetDimensionsCount', info));
  const shape = inOwnMemory(new BigInt64Array(rank));
  call('GetDimensions', info, shape, rank);
  return { dataType, shape: Array.from(shape, Number) };
}

function number(name: 'IsTensor' | 'GetTensorElementType', of: Pointer): number {
  const out = inOwnMemory(new Int32Array(1));
  call(name, of, out);
  return out[0];
}
