// The compact form of a change. The chain of digests is made over these bytes, so that a reader in
// any language can rebuild the chain from the entries it was sent. All numbers little-endian, no
// padding, no length (the row that holds them knows its own):
//
//   shifts     0x01, then per shift: seed uint64, scale float64     1 + 16 n bytes
//   regrid     0x02, tensor uint32, exponent int32                  9 bytes
//   rollback   0x03, to_revision uint64                             9 bytes
//
// The digest of an entry is SHA-256(digest before || encoded change); before the first entry comes
// the digest of the base weights. In Python, `struct.pack('<BQd', 1, seed, scale)` is one shift.
import { hash } from 'node:crypto';
import { invalid } from '../errors.ts';
import type { Shift } from '../shift.ts';
import type { Change } from './journal.ts';

const SHIFTS = 1;
const REGRID = 2;
const ROLLBACK = 3;
const SHIFT_BYTES = 16;
const UINT64_MAX = 0xffff_ffff_ffff_ffffn;

/** @throws ZerothError invalid-argument where a scale is not finite or a number has no place in its field. */
export function encodeChange(change: Change): Uint8Array {
  switch (change.kind) {
    case 'shifts':
      return encodeShifts(change.shifts);
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
    return { kind: 'shifts', shifts: decodeShifts(view) };
  }
  if (kind === REGRID && bytes.length === 9) {
    return { kind: 'regrid', tensor: view.getUint32(1, true), exponent: view.getInt32(5, true) };
  }
  if (kind === ROLLBACK && bytes.length === 9) {
    return { kind: 'rollback', toRevision: Number(view.getBigUint64(1, true)) };
  }
  throw new Error(
    `encoded change: expected kind 1, 2 or 3 at its length, got kind ${kind} in ${bytes.length} bytes`,
  );
}

/** The digest of an entry from the one before it, 32 bytes each. */
export function chainDigest(before: Uint8Array, encodedChange: Uint8Array): Uint8Array {
  return Uint8Array.from(hash('sha256', Buffer.concat([before, encodedChange]), 'buffer'));
}

function encodeShifts(shifts: readonly Shift[]): Uint8Array {
  const { bytes, view } = blank(SHIFTS, 1 + SHIFT_BYTES * shifts.length);
  shifts.forEach(({ seed, scale }, index) => {
    // setBigUint64 would wrap a wrong seed, and a NaN in the journal would poison every replay.
    if (seed < 0n || seed > UINT64_MAX) throw invalid(`shifts[${index}].seed`, 'a uint64', `${seed}`);
    if (!Number.isFinite(scale)) throw invalid(`shifts[${index}].scale`, 'a finite number', `${scale}`);
    view.setBigUint64(1 + SHIFT_BYTES * index, seed, true);
    view.setFloat64(9 + SHIFT_BYTES * index, scale, true);
  });
  return bytes;
}

function decodeShifts(view: DataView): Shift[] {
  return Array.from({ length: (view.byteLength - 1) / SHIFT_BYTES }, (_, index) => ({
    seed: view.getBigUint64(1 + SHIFT_BYTES * index, true),
    scale: view.getFloat64(9 + SHIFT_BYTES * index, true),
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
