// Values that a graph keeps in other files beside its own (onnx.proto, TensorProto.external_data): large models have to, as protobuf
// ends at 2 GiB. They are read where they lie, piece by piece, and only where somebody needs them.
import type { GraphProto, ModelProto, TensorProto } from '../../../proto/gen/onnx/onnx.ts';
import { TensorProto_DataLocation } from '../../../proto/gen/onnx/onnx.ts';
import { invalid } from '../../errors.ts';

/** Where values lie, in bytes. */
export type ExternalPlace = { readonly location: string; readonly offset: number; readonly length: number };

/** The files beside a model's own, by their names relative to it. */
export interface ExternalFiles {
  /** @throws ZerothError invalid-argument on `path` where there is no such file, or it is none of the model's folder. */
  bytesOf(location: string): number;
  /** Fills `into` with the bytes from `offset` on, which are there. */
  read(location: string, offset: number, into: Uint8Array): void;
  /** What `find` finds out by reading a file; remembered under `question`, where the file is known to be the same still. */
  about<T>(location: string, question: string, find: () => T): T;
}

/** Read at a time where all values are looked at. */
const PIECE_BYTES = 2 ** 24;

export function isExternal({ dataLocation, externalData }: TensorProto): boolean {
  return dataLocation === TensorProto_DataLocation.EXTERNAL || externalData.length > 0;
}

/**
 * Where an external tensor's values are; undefined for any other.
 * @throws ZerothError invalid-argument where they cannot be.
 */
export function placeOf(
  tensor: TensorProto,
  bytes: number,
  files: ExternalFiles | undefined,
): ExternalPlace | undefined {
  if (!isExternal(tensor)) return undefined;
  const entry = (key: string) => tensor.externalData.find((each) => each.key === key)?.value;
  const location = entry('location') ?? '';
  const what = `tensor "${tensor.name}"`;
  if (location === '')
    throw invalid('path', `a file for the values of ${what}`, 'external data without a location');
  if (files === undefined) throw invalid('path', `${what} in the model's own file`, `one in "${location}"`);
  const offset = toCount(entry('offset') ?? '0', `the offset of ${what}`);
  const length = toCount(entry('length') ?? `${bytes}`, `the length of ${what}`);
  const size = files.bytesOf(location);
  if (offset + length > size)
    throw invalid('path', `${offset + length} bytes or more in "${location}" (${what})`, `${size}`);
  return { location, offset, length };
}

/** All the files that tensors of the main graph lie in, sorted. */
export function locationsOf({ initializer }: GraphProto): string[] {
  const locations = initializer
    .filter(isExternal)
    .map(({ externalData }) => externalData.find(({ key }) => key === 'location')?.value ?? '');
  return [...new Set(locations)].sort();
}

/** One piece after the other, in the same memory. */
export function* piecesOf(files: ExternalFiles, { location, offset, length }: ExternalPlace) {
  const memory = new Uint8Array(Math.min(PIECE_BYTES, length));
  for (let at = 0; at < length; at += PIECE_BYTES) {
    const piece = memory.subarray(0, Math.min(PIECE_BYTES, length - at));
    files.read(location, offset + at, piece);
    yield piece;
  }
}

/** Without what says that its values are elsewhere. */
export function inPlace(tensor: TensorProto, rawData: Buffer): TensorProto {
  const { dataLocation: _, ...rest } = tensor;
  return { ...rest, floatData: [], externalData: [], rawData } as TensorProto;
}

/** Constants of nodes, subgraphs and functions keep their values themselves: ONNX Runtime takes them no other way. */
export function findExternalConstant(model: ModelProto & { readonly graph: GraphProto }): string | undefined {
  const nodes = [...model.graph.node, ...model.functions.flatMap(({ node }) => node)];
  for (const { attribute } of nodes)
    for (const { t, tensors } of attribute)
      for (const tensor of [...(t === undefined ? [] : [t]), ...tensors])
        if (isExternal(tensor)) return tensor.name ?? '';
  return undefined;
}

function toCount(text: string, what: string): number {
  const count = Number(text);
  if (!Number.isSafeInteger(count) || count < 0) throw invalid('path', `a number of bytes as ${what}`, text);
  return count;
}
