// Runs and updates to fill a journal with.
import { createHash } from 'node:crypto';
import { ZerothError } from '../../server/errors.ts';
import type { Append, Change, RunRecord } from '../../server/journal/journal.ts';
import type { Shift } from '../../server/shift.ts';

export function runRecord(name: string, changes: Partial<RunRecord> = {}): RunRecord {
  return {
    name,
    model: 'models/mlp',
    modelSha256: '11'.repeat(32),
    trainable: ['w1', 'b1'],
    table: 'gaussian',
    objective: { name: 'cross_entropy', output: 'logits', labels: 'labels' },
    baseSha256: 'ab'.repeat(32),
    createTimeMs: 1_700_000_000_000,
    forkedFrom: '',
    forkedRevision: 0,
    ...changes,
  };
}

export function sha256(...parts: readonly (string | Uint8Array)[]): Uint8Array {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(part);
  return Uint8Array.from(hash.digest());
}

export function shiftsOf(...shifts: readonly Shift[]): Change {
  return { kind: 'shifts', shifts };
}

/** An update of one shift, with an id of its own unless `requestId` says otherwise. */
export function update(step: number, requestId = `step-${step}`): Append {
  const change = shiftsOf({ seed: BigInt(step), scale: 0.001 * step });
  return { change, requestId, contentHash: sha256(requestId), timeMs: 1_700_000_000_000 + step };
}

export function errorOf(work: () => unknown): ZerothError {
  try {
    work();
  } catch (error) {
    if (error instanceof ZerothError) return error;
    throw error;
  }
  throw new Error('expected a ZerothError, got none');
}
