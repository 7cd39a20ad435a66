// The compact form of a change. The chain of digests is made over these bytes, so that a reader in
// any language can rebuild the chain from the entries it was sent. All numbers little-endian, no
// padding, no length (the row that holds them knows its own):
//
//   shifts     0x01, then per shift: seed uint64, scale float64     1 + 16 n bytes
//   regrid     0x02, tensor uint32, exponent int32                  9 bytes
//   rollback   0x03, to_revision uint64                             9 bytes
//   decay      0x04, factor float64, seed uint64, m uint32,         21 + m + 16 n bytes
//              m bytes of tensors, then per shift as above
//
// Tensor t of a decay is bit t mod 8, from the lowest on, of byte t div 8; the last byte is not zero. A change of shifts has the
// first form where nothing decays before them, else the last.
//
// The digest of an entry is SHA-256(digest before || encoded change); before the first entry comes
// the digest of the base weights. In Python, `struct.pack('<BQd', 1, seed, scale)` is one shift.
import { hash } from 'node:crypto';
import { invalid } from '../errors.ts';
import type { Decay, Shift } from '../shift.ts';
import type { Change } from './journal.ts';

const SHIFTS = 1;
const REGRID = 2;
const ROLLBACK = 3;
const DECAY = 4;
const SHIFT_BYTES = 16;
/** Without the tensors. */
const DECAY_BYTES = 21;
/** A tensor of a decay is a bit in each of its entries. */
const DECAY_TENSOR_MAX = 2 ** 20 - 1;
const UINT64_MAX = 0xffff_ffff_ffff_ffffn;

/** An update is sent to a model's thread and stored: what it was encoded to is kept as long as it is, and is nobody's to change. */
const encodings = new WeakMap<Change, Uint8Array>();

/** @throws ZerothError invalid-argument where a scale is not finite or a number has no place in its field. */
export function encodeChange(change: Change): Uint8Array {
  const encoded = encodings.get(change) ?? encode(change);
  encodings.set(change, encoded);
  return encoded;
}

function encode(change: Change): Uint8Array {
  switch (change.kind) {
    case 'shifts':
      return change.decay === undefined
        ? encodeShifts(change.shifts)
        : encodeDecay(change.decay, change.shifts);
    case 'regrid': {
      const { bytes, view } = blank(REGRID, 9);
      view.setUint32(1, whole('tensor', change.tensor, 0, 0xffff_ffff), true);
      view.setInt32(5, whole('exponent', change.exponent, -0x8000_0000, 0x7fff_ffff), true);
      return bytes;
    }
    case 'rollback': {
      const { bytes, view } = blank(ROLLBACK, 9);
      const revision = whole('to_revision', change.toRevision, 0, Number.MAX_SAFE_INTEGER);
      view.setBigUint64(1, BigInt(revision), true);
      return bytes;
    }
  }
}

/** The inverse of `encodeChange`. @throws Error where the bytes are not of this form. */
export function decodeChange(bytes: Uint8Array): Change {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const kind = bytes[0];
  if (kind === SHIFTS && (bytes.length - 1) % SHIFT_BYTES === 0) {
    return { kind: 'shifts', shifts: decodeShifts(view, 1) };
  }
  if (kind === DECAY) {
    const shiftsAt = DECAY_BYTES + (bytes.length < DECAY_BYTES ? 0 : view.getUint32(17, true));
    if (bytes.length >= shiftsAt && (bytes.length - shiftsAt) % SHIFT_BYTES === 0)
      return {
        kind: 'shifts',
        decay: decodeDecay(view, bytes.subarray(DECAY_BYTES, shiftsAt)),
        shifts: decodeShifts(view, shiftsAt),
      };
  }
  if (kind === REGRID && bytes.length === 9) {
    return { kind: 'regrid', tensor: view.getUint32(1, true), exponent: view.getInt32(5, true) };
  }
  if (kind === ROLLBACK && bytes.length === 9) {
    return { kind: 'rollback', toRevision: Number(view.getBigUint64(1, true)) };
  }
  throw new Error(
    `encoded change: expected kind 1, 2, 3 or 4 at its length, got kind ${kind} in ${bytes.length} bytes`,
  );
}

/** The digest of an entry from the one before it, 32 bytes each. */
export function chainDigest(before: Uint8Array, encodedChange: Uint8Array): Uint8Array {
  return Uint8Array.from(hash('sha256', Buffer.concat([before, encodedChange]), 'buffer'));
}

function encodeShifts(shifts: readonly Shift[]): Uint8Array {
  const { bytes, view } = blank(SHIFTS, 1 + SHIFT_BYTES * shifts.length);
  writeShifts(view, 1, shifts);
  return bytes;
}

function encodeDecay({ factor, seed, tensors }: Decay, shifts: readonly Shift[]): Uint8Array {
  if (!(factor > 0 && factor < 1)) throw invalid('decay.factor', 'a number above 0 and below 1', `${factor}`);
  const length = tensors.length === 0 ? 0 : (tensors.at(-1)! >> 3) + 1;
  checkAscending(tensors);
  const { bytes, view } = blank(DECAY, DECAY_BYTES + length + SHIFT_BYTES * shifts.length);
  view.setFloat64(1, factor, true);
  writeSeed(view, 9, seed, 'decay.seed');
  view.setUint32(17, length, true);
  for (const tensor of tensors) bytes[DECAY_BYTES + (tensor >> 3)] |= 1 << (tensor & 7);
  writeShifts(view, DECAY_BYTES + length, shifts);
  return bytes;
}

function checkAscending(tensors: readonly number[]): void {
  tensors.forEach((tensor, i) => {
    whole(`decay.tensors[${i}]`, tensor, i === 0 ? 0 : tensors[i - 1] + 1, DECAY_TENSOR_MAX);
  });
}

function decodeDecay(view: DataView, bitmap: Uint8Array): Decay {
  const tensors = Array.from(bitmap, (byte, at) =>
    [0, 1, 2, 3, 4, 5, 6, 7].filter((bit) => (byte >> bit) & 1).map((bit) => 8 * at + bit),
  );
  return { factor: view.getFloat64(1, true), seed: view.getBigUint64(9, true), tensors: tensors.flat() };
}

function writeShifts(view: DataView, from: number, shifts: readonly Shift[]): void {
  shifts.forEach(({ seed, scale }, index) => {
    const at = from + SHIFT_BYTES * index;
    writeSeed(view, at, seed, `shifts[${index}].seed`);
    // A NaN in the journal would poison every replay.
    if (!Number.isFinite(scale)) throw invalid(`shifts[${index}].scale`, 'a finite number', `${scale}`);
    view.setFloat64(at + 8, scale, true);
  });
}

/** setBigUint64 would wrap a wrong one. */
function writeSeed(view: DataView, at: number, seed: bigint, field: string): void {
  if (seed < 0n || seed > UINT64_MAX) throw invalid(field, 'a uint64', `${seed}`);
  view.setBigUint64(at, seed, true);
}

function decodeShifts(view: DataView, from: number): Shift[] {
  return Array.from({ length: (view.byteLength - from) / SHIFT_BYTES }, (_, index) => ({
    seed: view.getBigUint64(from + SHIFT_BYTES * index, true),
    scale: view.getFloat64(from + 8 + SHIFT_BYTES * index, true),
  }));
}

function blank(kind: number, length: number): { bytes: Uint8Array; view: DataView } {
  const bytes = new Uint8Array(length);
  bytes[0] = kind;
  return { bytes, view: new DataView(bytes.buffer) };
}

function whole(field: string, value: number, minimum: number, maximum: number): number {
  if (Number.isInteger(value) && value >= minimum && value <= maximum) return value;
  throw invalid(field, `an integer from ${minimum} to ${maximum}`, `${value}`);
}
