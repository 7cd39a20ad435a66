// A dataset: named tensors whose first dimension is the row. Its name is the hash of its content.
import { createHash, type Hash } from 'node:crypto';
import { setImmediate } from 'node:timers/promises';
import { counted, invalid, ZerothError } from '../errors.ts';
import { elementBytes, type TensorSpec, tensorBytes } from '../tensor.ts';

export type Dataset = {
  /** "datasets/" and the SHA-256 of the manifest (manifest.ts), hexadecimal. */
  readonly name: string;
  readonly rows: number;
  /** By name; every shape begins with `rows`. */
  readonly tensors: readonly TensorSpec[];
  readonly bytes: number;
  readonly createTimeMs: number;
};

/** In shared memory, so that worker threads gather batches from it without a copy. Never written to. */
export type LoadedDataset = {
  readonly dataset: Dataset;
  readonly tensors: ReadonlyMap<string, { readonly spec: TensorSpec; readonly data: SharedArrayBuffer }>;
};

/** About 0.8 ms of SHA-256 on the main thread. */
export const PIECE_BYTES = 1024 * 1024;

/** @throws ZerothError naming the header's field where the specs make no dataset. */
export function checkSpecs(specs: readonly TensorSpec[]): void {
  if (specs.length === 0) throw invalid('header.tensors', 'at least one tensor', 'none');
  const names = new Set<string>();
  specs.forEach((spec, index) => {
    const field = `header.tensors[${index}]`;
    if (spec.name === '') throw invalid(`${field}.name`, 'a name', '""');
    if (names.has(spec.name)) throw invalid(`${field}.name`, 'a name used once', JSON.stringify(spec.name));
    names.add(spec.name);
    checkShape(`${field}.shape`, spec, specs[0].shape[0]);
  });
}

function checkShape(field: string, spec: TensorSpec, rows: number): void {
  const got = describeShape(spec.shape);
  if (!Object.hasOwn(elementBytes, spec.dataType)) throw new Error(`data type ${spec.dataType} is none`);
  if (spec.shape.length === 0) throw invalid(field, 'a first dimension, the rows', got);
  if (!spec.shape.every((dimension) => Number.isSafeInteger(dimension) && dimension > 0)) {
    throw invalid(field, 'dimensions of 1 or more', got);
  }
  if (spec.shape[0] !== rows) throw invalid(field, `${counted(rows, 'row')}, as in the first tensor`, got);
}

/** For messages: `float32 [10, 4]`. */
export function describeSpec(spec: TensorSpec): string {
  return `${spec.dataType} ${describeShape(spec.shape)}`;
}

function describeShape(shape: readonly number[]): string {
  return `[${shape.join(', ')}]`;
}

export function totalBytes(specs: readonly TensorSpec[]): number {
  return specs.reduce((sum, spec) => sum + tensorBytes(spec), 0);
}

/** Hashes a piece at a time and lets other work in between, however large `bytes` is. */
export async function updateInPieces(hash: Hash, bytes: Uint8Array): Promise<void> {
  for (let start = 0; start < bytes.length; start += PIECE_BYTES) {
    if (start > 0) await setImmediate();
    hash.update(bytes.subarray(start, start + PIECE_BYTES));
  }
}

export async function sha256InPieces(bytes: Uint8Array): Promise<string> {
  const hash = createHash('sha256');
  await updateInPieces(hash, bytes);
  return hash.digest('hex');
}

/** The content of a dataset is not what its name says. */
export function damaged(name: string, what: string): ZerothError {
  const message = `${name}: ${what}; upload the same content again to repair it, or delete it`;
  return new ZerothError('data-loss', message, { resource: name });
}
