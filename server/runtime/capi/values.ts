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
  return { ...spec, data: koffi.decode(make('GetTensorMutableData', value), 'uint8_t', bytes) as Uint8Array };
}

const [listAt, listLength] = [0, 0].map(() => new BigUint64Array(new ArrayBuffer(8)));

/** What a run has made, the owner's from then on: in the order in which outputs were bound. */
export function boundOutputs(owner: Owner, allocator: Pointer, binding: Pointer): Pointer[] {
  call('GetBoundOutputValues', binding, allocator, listAt, listLength);
  const [at, length] = [listAt[0], Number(listLength[0])];
  if (length === 0) return [];
  const values = koffi.decode(at, 'uint64_t', length) as BigUint64Array;
  call('AllocatorFree', allocator, at);
  return Array.from(values, (value) => owner.own('ReleaseValue', value));
}

/** Where dimensions are written, but for those of tensors that have more. */
const dimensions = new BigInt64Array(new ArrayBuffer(8 * 32));

export function describeValue(value: Pointer): Described | undefined {
  if (make('IsTensor', value) === 0n) return undefined;
  using owner = new Owner();
  const info = owner.own('ReleaseTensorTypeAndShapeInfo', make('GetTensorTypeAndShape', value));
  const dataType = findDataType(Number(make('GetTensorElementType', info)));
  if (dataType === undefined) return undefined;
  const rank = Number(make('GetDimensionsCount', info));
  const shape = rank <= dimensions.length ? dimensions : inOwnMemory(new BigInt64Array(rank));
  call('GetDimensions', info, shape, rank);
  return { dataType, shape: Array.from(shape.subarray(0, rank), Number) };
}
