// A checkpoint's file: safetensors, so that other programs can read the weights too. What they are of stands in its
// metadata. Written from where the weights lie, read tensor by tensor: neither takes a second copy of them.
import { createHash, hash } from 'node:crypto';
import { closeSync, fstatSync, openSync, readSync, writeSync } from 'node:fs';
import { ZerothError } from '../errors.ts';
import { LENGTH_BYTES, type Metadata, safetensorsHead } from '../model/safetensors.ts';
import type { Grid } from '../noise/grid.ts';
import type { WeightSpec, Weights } from '../weights/weights.ts';
import type { CheckpointIdentity } from './checkpoint.ts';

const FORMAT = 'zeroth-checkpoint/1';

/** Written and hashed at a time. */
const PIECE_BYTES = 2 ** 24;

export type WrittenCheckpoint = { readonly bytes: number; readonly weightsSha256: string };

/** The file of weights that are at the identity's revision. Not flushed to the disk yet. */
export function writeCheckpoint(
  path: string,
  weights: Weights,
  identity: CheckpointIdentity,
): WrittenCheckpoint {
  const weightsSha256 = weights.digest();
  const head = headOf(weights.specs, weights.grids, identity, weightsSha256);
  const file = openSync(path, 'w');
  try {
    writeAll(file, head);
    for (const view of weights.views()) {
      const bytes = new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
      for (let at = 0; at < bytes.length; at += PIECE_BYTES)
        writeAll(file, bytes.subarray(at, at + PIECE_BYTES));
    }
  } finally {
    closeSync(file);
  }
  return { bytes: head.byteLength + weights.bytes, weightsSha256 };
}

/**
 * The tensors one after the other. What they hold together is known to be right when the last has been taken: until
 * then they may be anything.
 * @throws ZerothError data-loss where the file is not the checkpoint of this identity, whole and unchanged.
 */
export function* readCheckpoint(
  path: string,
  specs: readonly WeightSpec[],
  identity: CheckpointIdentity,
): Generator<{ readonly values: Float32Array; readonly grid: Grid }, void> {
  const file = openSync(path, 'r');
  try {
    const { metadata, grids, bytes } = readHead(file, specs, identity);
    const digest = createHash('sha256');
    let at = bytes;
    for (const [tensor, spec] of specs.entries()) {
      const values = new Float32Array(lengthOf(spec));
      readAll(file, new Uint8Array(values.buffer), at);
      digest.update(new Uint8Array(values.buffer));
      at += values.byteLength;
      yield { values, grid: grids[tensor] };
    }
    expectSame('SHA-256 of the weights', metadata.weightsSha256, digest.digest('hex'));
  } finally {
    closeSync(file);
  }
}

function headOf(
  specs: readonly WeightSpec[],
  grids: readonly Grid[],
  { revision, chainSha256, baseSha256, table }: CheckpointIdentity,
  weightsSha256: string,
): Buffer {
  const exponents = JSON.stringify(grids.map(({ exponent }) => exponent));
  const content = {
    format: FORMAT,
    revision: `${revision}`,
    chainSha256,
    baseSha256,
    table,
    exponents,
    weightsSha256,
  };
  const tensors = specs.map((spec) => ({ ...spec, dataType: 'float32' as const }));
  return safetensorsHead(tensors, { ...content, metadataSha256: sealOf(content) });
}

/** Grids are in no other digest. */
function sealOf(content: Metadata): string {
  return hash('sha256', JSON.stringify(content));
}

function readHead(file: number, specs: readonly WeightSpec[], identity: CheckpointIdentity) {
  const { metadata, exponents } = metadataOf(file);
  const grids = exponents.map((exponent) => ({ exponent }));
  const expected = headOf(specs, grids, identity, metadata.weightsSha256);
  // The head says everything that the file should be, so one comparison checks it all.
  const found = Buffer.alloc(expected.byteLength);
  readAll(file, found, 0);
  if (!found.equals(expected)) throw damaged(`the head of ${describe(identity)}`, describe(metadata));
  const bytes = expected.byteLength;
  const size = bytes + specs.reduce((sum, spec) => sum + 4 * lengthOf(spec), 0);
  if (fstatSync(file).size !== size) throw damaged(`${size} bytes`, `${fstatSync(file).size}`);
  return { metadata, grids, bytes };
}

function metadataOf(file: number): { metadata: Metadata; exponents: readonly number[] } {
  const length = Buffer.alloc(LENGTH_BYTES);
  readAll(file, length, 0);
  const bytes = length.readBigUInt64LE();
  if (bytes > BigInt(fstatSync(file).size))
    throw damaged('a head that is shorter than the file', `${bytes} bytes`);
  const json = Buffer.alloc(Number(bytes));
  readAll(file, json, LENGTH_BYTES);
  try {
    const { __metadata__: metadata } = JSON.parse(json.toString()) as { __metadata__: Metadata };
    return { metadata, exponents: JSON.parse(metadata.exponents) as number[] };
  } catch (error) {
    throw damaged('a head of safetensors with metadata', 'something else', error);
  }
}

function describe({
  revision,
  chainSha256,
}: { readonly [Name in keyof CheckpointIdentity]?: unknown }): string {
  return `revision ${String(revision)} after entry ${String(chainSha256)}`;
}

function lengthOf({ shape }: WeightSpec): number {
  return shape.reduce((product, dimension) => product * dimension, 1);
}

function expectSame(what: string, expected: string | undefined, got: string): void {
  if (expected !== got) throw damaged(`${what} ${String(expected)}`, got);
}

function writeAll(file: number, bytes: Uint8Array): void {
  for (let at = 0; at < bytes.length; ) at += writeSync(file, bytes, at);
}

function readAll(file: number, into: Uint8Array, position: number): void {
  for (let at = 0; at < into.length; ) {
    const bytes = readSync(file, into, at, into.length - at, position + at);
    if (bytes === 0) throw damaged(`${position + into.length} bytes or more`, `${position + at}`);
    at += bytes;
  }
}

function damaged(expected: string, got: string, cause?: unknown): ZerothError {
  return new ZerothError('data-loss', `checkpoint: expected ${expected}, got ${got}`, {}, cause);
}
