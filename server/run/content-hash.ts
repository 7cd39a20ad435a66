// What tells a request that comes again from another one with its id.
import { createHash, type Hash } from 'node:crypto';
import { setImmediate } from 'node:timers/promises';
import type { Decay, Shift } from '../shift.ts';
import type { ChangeRequest } from './requests.ts';

/** Half a millisecond of the thread. */
const SHIFTS_PER_TURN = 1024;

/** Of requests that have one, as it is asked for more than once. */
const hashes = new WeakMap<ChangeRequest, Uint8Array>();

/**
 * SHA-256 of everything in a request that decides what it does: the same id with the same content
 * is the same request. The revision it expects belongs to it, as it says what was built upon.
 */
export function contentHash(request: ChangeRequest): Uint8Array {
  const known = hashes.get(request);
  if (known !== undefined) return known;
  const hash = beginning(request);
  for (const shift of shiftsOf(request)) hash.update(lineOf(shift));
  return remembered(request, hash);
}

/** The same, in turns of the event loop, where it will be asked for: a request of 65,536 shifts takes 20 ms. */
export async function hashInTurns(request: ChangeRequest): Promise<void> {
  const shifts = shiftsOf(request);
  if (request.requestId === '' || shifts.length <= SHIFTS_PER_TURN || hashes.has(request)) return;
  const hash = beginning(request);
  for (let start = 0; start < shifts.length; start += SHIFTS_PER_TURN) {
    hash.update(
      shifts
        .slice(start, start + SHIFTS_PER_TURN)
        .map(lineOf)
        .join(''),
    );
    await setImmediate();
  }
  remembered(request, hash);
}

function beginning({ change, expectedRevision, measuredAtRevision, stalenessMax }: ChangeRequest): Hash {
  const conditions = `${expectedRevision} ${measuredAtRevision} ${stalenessMax}`;
  const content = change.kind === 'rollback' ? [`rollback ${change.toRevision}`] : decayContent(change.decay);
  return createHash('sha256').update([change.kind, conditions, ...content].join('\n'));
}

function shiftsOf({ change }: ChangeRequest): readonly Shift[] {
  return change.kind === 'rollback' ? [] : change.shifts;
}

function remembered(request: ChangeRequest, hash: Hash): Uint8Array {
  const digest = hash.digest();
  hashes.set(request, digest);
  return digest;
}

/** Nothing where there is none: the hashes of requests from before there were any stay as they are. */
function decayContent(decay: Decay | undefined): string[] {
  if (decay === undefined) return [];
  return [`decay ${float64Bits(decay.factor)} ${decay.seed} ${decay.tensors.join(' ')}`];
}

function lineOf({ seed, scale }: Shift): string {
  return `\n${seed} ${float64Bits(scale)}`;
}

const number = new Float64Array(1);
const bits = new BigUint64Array(number.buffer);

function float64Bits(value: number): string {
  number[0] = value;
  return bits[0].toString(16);
}
