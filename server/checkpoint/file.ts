// A checkpoint's file: safetensors, so that other programs can read the weights too. What they are of stands in its
// metadata. Written from where the weights lie, read tensor by tensor: neither takes a second copy of them.
import { createHash, hash } from 'node:crypto';
import { closeSync, fstatSync, openSync, readSync, writeSync } from 'node:fs';
import { ZerothError } from '../errors.ts';
import { LENGTH_BYTES, type Metadata, safetensorsHead } from '../model/graph/safetensors.ts';
import type { Grid } from '../noise/grid.ts';
import type { WeightSpec, Weights } from '../weights/weights.ts';
import type { CheckpointIdentity } from './checkpoint.ts';

const FORMAT = 'zeroth-checkpoint/1';

/** Written and hashed at a time. */
const PIECE_BYTES = 2 ** 24;

/** As safetensors has it: a longer head is a damaged one, and not read into memory. */
const HEAD_BYTES_MAX = 1e8;

const UNKNOWN_SHA256 = '0'.repeat(64);

export type WrittenCheckpoint = { readonly bytes: number; readonly weightsSha256: string };

/**
 * The file of weights that are at the identity's revision, written and hashed in one go: the head is written again when the
 * digest is known, and until then the file is no checkpoint. Not flushed to the disk yet.
 * @param onPiece called before each piece; what it throws ends the writing.
 */
export function writeCheckpoint(
  path: string,
  weights: Weights,
  identity: CheckpointIdentity,
  onPiece: () => void,
): WrittenCheckpoint {
  const { specs, grids } = weights;
  const headWith = (weightsSha256: string) => headOf(specs, grids, identity, weightsSha256);
  const digest = createHash('sha256');
  const file = openSync(path, 'w');
  try {
    let at = writeAll(file, headWith(UNKNOWN_SHA256), 0);
    for (const tensor of specs.keys()) {
      const { buffer, byteOffset, byteLength } = weights.peek(tensor);
      const bytes = new Uint8Array(buffer, byteOffset, byteLength);
      for (let start = 0; start < bytes.length; start += PIECE_BYTES) {
        onPiece();
        const piece = bytes.subarray(start, start + PIECE_BYTES);
        digest.update(piece);
        at = writeAll(file, piece, at);
      }
    }
    const weightsSha256 = digest.digest('hex');
    writeAll(file, headWith(weightsSha256), 0);
    return { bytes: at, weightsSha256 };
  } finally {
    closeSync(file);
  }
}

/** A bound on the bytes of a checkpoint: exponents are only known where the weights are. */
export function checkpointBytesMax(specs: readonly WeightSpec[], identity: CheckpointIdentity): number {
  const longest = specs.map(() => ({ exponent: -1000 }));
  return headOf(specs, longest, identity, UNKNOWN_SHA256).byteLength + weightBytes(specs);
}

/**
 * The tensors one after the other, in the same memory. What they hold together is known to be right when the generator
 * has ended: until then they may be anything.
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
    const buffer = new ArrayBuffer(4 * Math.max(0, ...specs.map(lengthOf)));
    let at = bytes;
    for (const [tensor, spec] of specs.entries()) {
      const values = new Float32Array(buffer, 0, lengthOf(spec));
      const piece = new Uint8Array(buffer, 0, values.byteLength);
      readAll(file, piece, at);
      digest.update(piece);
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
  const size = bytes + weightBytes(specs);
  if (fstatSync(file).size !== size) throw damaged(`${size} bytes`, `${fstatSync(file).size}`);
  return { metadata, grids, bytes };
}

function metadataOf(file: number): { metadata: Metadata; exponents: readonly number[] } {
  const length = Buffer.alloc(LENGTH_BYTES);
  readAll(file, length, 0);
  const bytes = length.readBigUInt64LE();
  if (bytes > HEAD_BYTES_MAX) throw damaged(`a head of at most ${HEAD_BYTES_MAX} bytes`, `${bytes}`);
  const json = Buffer.alloc(Number(bytes));
  readAll(file, json, LENGTH_BYTES);
  const { __metadata__: metadata } = parsed(json.toString()) as { __metadata__?: Metadata };
  const exponents = parsed(metadata?.exponents ?? '');
  if (metadata === undefined || !Array.isArray(exponents))
    throw damaged('a list of exponents', 'another head');
  return { metadata, exponents: exponents as number[] };
}

function parsed(json: string): object {
  try {
    return Object(JSON.parse(json)) as object;
  } catch (error) {
    throw damaged('a head in JSON, of safetensors with metadata', 'something else', error);
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

function weightBytes(specs: readonly WeightSpec[]): number {
  return specs.reduce((sum, spec) => sum + 4 * lengthOf(spec), 0);
}

/** @returns where it ends. */
function writeAll(file: number, bytes: Uint8Array, position: number): number {
  for (let at = 0; at < bytes.length; ) at += writeSync(file, bytes, at, bytes.length - at, position + at);
  return position + bytes.length;
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
