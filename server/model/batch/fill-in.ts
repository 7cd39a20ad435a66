// Inputs that a caller may leave out, as he means the same by them every time: masks of ones, token types of zeros, positions that count,
// and a past that is empty. They are made row by row where a forward pass needs them; names are those of Hugging Face's exporters.
import { elementBytes, elementCount, type Tensor, type TensorSpec } from '../../tensor.ts';
import type { InputSpec } from '../graph/graph.ts';
import type { Column } from './columns.ts';

const MASKS = ['attention_mask', 'input_mask'];
const TOKEN_TYPES = ['token_type_ids', 'segment_ids'];
const POSITIONS = ['position_ids'];

/** Whether a merged decoder reads its past, which is empty here. It has one element, however many rows there are. */
const USE_CACHE = 'use_cache_branch';

/** `past_key_values.0.key`, `past_0`: [rows, heads, past, size]; the past is of any length, or of none. */
export function isPast({ name, shape }: TensorSpec): boolean {
  return /^past(_|\.|$)/.test(name) && shape.length >= 3 && shape.slice(1).some((size) => size < 1);
}

/** `present.0.key`: the past of the tokens to come. */
export function isPresent(output: string): boolean {
  return /^present(_|\.|$)/.test(output);
}

/** What an input is to a sequence of tokens, by its name; undefined of ids, and of all that has another part. */
export function roleOf(input: TensorSpec): 'mask' | 'types' | 'positions' | 'past' | 'use-cache' | undefined {
  if (MASKS.includes(input.name)) return 'mask';
  if (TOKEN_TYPES.includes(input.name)) return 'types';
  if (POSITIONS.includes(input.name)) return 'positions';
  if (isPast(input)) return 'past';
  return input.name === USE_CACHE ? 'use-cache' : undefined;
}

/** Of an input that has nothing to do with rows; undefined for all others. */
export function constantFor({ name, dataType, shape }: TensorSpec): Tensor | undefined {
  if (name !== USE_CACHE || elementCount(shape) !== 1) return undefined;
  return { dataType, shape, data: new Uint8Array(elementBytes[dataType]) };
}

/**
 * What stands in for an input that was left out; undefined where nothing can.
 * @param given The inputs that were not, all with the same rows.
 */
export function fillIn(input: InputSpec, given: readonly Column[]): Column | undefined {
  if (given.length === 0) return undefined;
  const [rows] = given[0].shape;
  if (isPast(input))
    return filled(input, [rows, ...input.shape.slice(1).map((size) => Math.max(0, size))], () => undefined);
  const tokens = given.find(({ shape, dataType }) => shape.length === 2 && dataType.startsWith('int'));
  if (tokens === undefined) return undefined;
  const shape = [rows, tokens.shape[1]];
  if (MASKS.includes(input.name))
    return filled(
      input,
      shape,
      sameRow(input, tokens.shape[1], () => 1),
    );
  if (TOKEN_TYPES.includes(input.name)) return filled(input, shape, (_, into) => into.fill(0));
  if (!POSITIONS.includes(input.name)) return undefined;
  const mask = given.find(({ name }) => MASKS.includes(name));
  const counted = sameRow(input, tokens.shape[1], (place) => place);
  const positions = filled(input, shape, mask === undefined ? counted : positionsOf(input, mask));
  return { ...positions, field: tokens.field, isCounted: true };
}

type Fill = NonNullable<Column['fill']>;

function filled({ name, dataType }: TensorSpec, shape: readonly number[], fill: Fill): Column {
  const rowBytes = elementCount(shape.slice(1)) * elementBytes[dataType];
  return { name, field: name, dataType, shape, data: new Uint8Array(0), rowBytes, fill };
}

/** The same for every row, made once. */
function sameRow({ dataType }: TensorSpec, width: number, valueAt: (place: number) => number): Fill {
  const row = new Uint8Array(width * elementBytes[dataType]);
  const view = new DataView(row.buffer);
  for (let place = 0; place < width; place++) writeNumber(view, place, dataType, valueAt(place));
  return (_, into) => into.set(row.subarray(0, into.length));
}

/** As generation has it with padding on either side: tokens are counted from the first that the mask shows, padding has position 1. */
function positionsOf({ dataType }: TensorSpec, mask: Column): Fill {
  const entryBytes = elementBytes[mask.dataType];
  return (row, into) => {
    const view = new DataView(into.buffer, into.byteOffset, into.byteLength);
    let seen = 0;
    for (let place = 0; place < into.length / elementBytes[dataType]; place++) {
      const at = row * mask.rowBytes + place * entryBytes;
      const isToken = mask.data.subarray(at, at + entryBytes).some((byte) => byte !== 0);
      writeNumber(view, place, dataType, isToken ? seen++ : 1);
    }
  };
}

function writeNumber(view: DataView, place: number, dataType: Tensor['dataType'], value: number): void {
  const at = place * elementBytes[dataType];
  if (dataType === 'int64') view.setBigInt64(at, BigInt(value), true);
  else if (dataType === 'int32') view.setInt32(at, value, true);
  else if (dataType === 'float32') view.setFloat32(at, value, true);
  else if (dataType === 'float16') view.setUint16(at, value === 0 ? 0 : 0x3c00, true);
  else view.setUint8(at, value);
}
