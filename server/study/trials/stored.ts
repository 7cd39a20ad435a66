// Trials, ledgers and changes as the journal has them, and back. Vectors are bytes, bit for bit; the rest is text.
import type { StoredTrial } from '../../journal/study-log.ts';
import { decode, encode } from '../../text.ts';
import type { Outcome, Trial, TrialPoint } from '../plan/plan.ts';

export function toStored(trial: Trial, requestId: string, toldChange: number | null): StoredTrial {
  const { number, candidate, point, outcome, client, leaseEndMs } = trial;
  return {
    number,
    candidate: candidate ?? null,
    ...storedPoint(point),
    ...storedOutcome(outcome),
    client,
    requestId,
    leaseEndMs,
    toldChange,
  };
}

export function storedOutcome(
  outcome: Outcome | undefined,
): Pick<StoredTrial, 'outcome' | 'value' | 'reason'> {
  if (outcome === undefined) return { outcome: 'open', value: null, reason: null };
  return outcome.kind === 'told'
    ? { outcome: 'told', value: outcome.value, reason: null }
    : { outcome: 'infeasible', value: null, reason: outcome.reason };
}

export function fromStored(stored: StoredTrial): Trial {
  const { number, candidate, client, leaseEndMs } = stored;
  return {
    number,
    candidate: candidate ?? undefined,
    point: pointOf(stored),
    outcome: outcomeOf(stored),
    client,
    leaseEndMs,
  };
}

function outcomeOf({ outcome, value, reason }: StoredTrial): Outcome | undefined {
  switch (outcome) {
    case 'open':
      return undefined;
    case 'told':
      return { kind: 'told', value: value! };
    case 'infeasible':
      return { kind: 'infeasible', reason: reason ?? '' };
  }
}

function storedPoint(point: TrialPoint): Pick<StoredTrial, 'vector' | 'point'> {
  if (point.kind === 'seed') return { vector: null, point: encode(point) };
  const vector = new Uint8Array(Float64Array.from(point.vector).buffer);
  return { vector, point: point.given === undefined ? null : JSON.stringify(point.given) };
}

function pointOf({ vector, point }: StoredTrial): TrialPoint {
  if (vector === null) return decode(point!);
  // A copy of its own begins where float64 may begin.
  const values = Array.from(new Float64Array(new Uint8Array(vector).buffer));
  return { kind: 'vector', vector: values, ...(point !== null && { given: JSON.parse(point) }) };
}
