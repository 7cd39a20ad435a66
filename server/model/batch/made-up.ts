// Rows that nobody sent: what shows how a graph behaves before there is any data.

import { elementBytes, elementCount, type Tensor, type TensorSpec } from '../../tensor.ts';
import { constantFor, isPast } from './fill-in.ts';

export type MadeUpSize = {
  readonly rows: number;
  /** Of every other dimension that the model leaves free. */
  readonly free: number;
  /** Of the rows, in entries of a mask. Default: all there are. */
  readonly lengths?: readonly number[];
};

/**
 * Rows of all inputs, by name. Numbers look random and are the same every time, but for those of half precision, which are 0;
 * integers are 0 and 1, valid as token ids and classes; a past is empty; what is called a mask is 1 up to the length of its row, and then 0.
 */
export function madeUpRows(inputs: readonly TensorSpec[], size: MadeUpSize): Record<string, Tensor> {
  return Object.fromEntries(inputs.map((input, i) => [input.name, madeUp(input, i, size)]));
}

function madeUp(spec: TensorSpec, input: number, size: MadeUpSize): Tensor {
  const constant = constantFor(spec);
  if (constant !== undefined) return constant;
  const { name, dataType, shape } = spec;
  const { rows, free, lengths } = size;
  const others = isPast({ name, dataType, shape }) ? 0 : free;
  const dimensions =
    shape.length === 0
      ? [rows]
      : shape.map((length, i) => (length !== -1 ? length : i === 0 ? rows : others));
  const count = elementCount(dimensions);
  const bytes = elementBytes[dataType];
  const data = new Uint8Array(count * bytes);
  const view = new DataView(data.buffer);
  const isMask = name.includes('mask');
  const rowEntries = count / dimensions[0];
  const maskAt = (i: number) =>
    i % rowEntries < (lengths?.[Math.floor(i / rowEntries)] ?? rowEntries) ? 1 : 0;
  for (let i = 0; i < count; i++) {
    const number = isMask ? maskAt(i) : Math.sin(1 + i + 100 * input);
    if (dataType === 'float32') view.setFloat32(i * bytes, number, true);
    else if (dataType === 'float64') view.setFloat64(i * bytes, number, true);
    else if (dataType !== 'float16') view.setUint8(i * bytes, number > 0 ? 1 : 0);
  }
  return { dataType, shape: dimensions, data };
}
