// What a run is asked, in the words of the domain; rpc/ converts to and from these.
import { counted, ZerothError } from '../errors.ts';
import type { Change } from '../journal/journal.ts';
import type { RowSelection } from '../model/batch/columns.ts';
import type { Evaluation } from '../model/forward/evaluate.ts';
import type { OutputSelection } from '../model/forward/output-selection.ts';
import type { PieceBounds } from '../model/forward/pieces.ts';
import type { Point } from '../shift.ts';
import type { Tensor } from '../tensor.ts';
import type { ObjectiveChoice } from '../worker/messages.ts';

export type BatchRequest =
  | { readonly kind: 'inline'; readonly tensors: ReadonlyMap<string, Tensor> }
  | { readonly kind: 'dataset'; readonly dataset: string; readonly rows: RowSelection };

export type EvaluateRequest = {
  readonly points: readonly Point[];
  readonly batch: BatchRequest;
  /** Undefined means the run's own. */
  readonly objective: ObjectiveChoice | undefined;
  /** What "the head" means; undefined means the head when the work begins, after an update its own. */
  readonly revision: number | undefined;
  readonly perExampleLosses: boolean;
  readonly outputs: readonly string[];
  /** More of them, chosen more closely. */
  readonly outputSelections?: readonly OutputSelection[];
  /** Of which rows, as places in the batch; undefined means of all. */
  readonly outputPlaces?: readonly number[] | undefined;
};

/** Outputs alone, in pieces. */
export type OutputsRequest = Pick<EvaluateRequest, 'points' | 'batch' | 'revision' | 'perExampleLosses'> &
  PieceBounds & {
    readonly selections: readonly OutputSelection[];
    /** Names of batch tensors that go along. */
    readonly tensors: readonly string[];
  };

export type EvaluateOutcome = {
  readonly results: readonly Evaluation[];
  readonly revision: number;
  readonly head: number;
  readonly timing: Timing;
};

/** Where the time of a step went. */
export type Timing = {
  /** Behind other work for the model. */
  readonly queueMs: number;
  /** The append of the change before it; 0 without one. */
  readonly journalMs: number;
  readonly movingMs: number;
  readonly forwardMs: number;
  /** Waiting for clients that compute the objective, beside what is left to forward meanwhile. */
  readonly scoringMs?: number;
};

/** What a change is durable together with. */
export type Beside = {
  /** A snapshot that is moved to the head first, by its id. */
  readonly snapshot?: string | undefined;
  /** Written in the transaction of the change, which made this revision. */
  readonly write: (revision: number) => void;
};

/** An update or a rollback: what is to be appended, and under which conditions. */
export type ChangeRequest = {
  readonly change: Extract<Change, { kind: 'shifts' | 'rollback' }>;
  /** Empty where the client sent none. */
  readonly requestId: string;
  readonly expectedRevision: number | undefined;
  readonly measuredAtRevision: number | undefined;
  readonly stalenessMax: number;
};

export type ChangeOutcome = {
  readonly revision: number;
  readonly head: number;
  readonly replayed: boolean;
};

/** @throws ZerothError aborted where the request was built on another head, or measured too long ago. */
export function checkConditions(request: ChangeRequest, head: number): void {
  const { expectedRevision, measuredAtRevision, stalenessMax } = request;
  if (expectedRevision !== undefined && expectedRevision !== head)
    throw new ZerothError(
      'revision-mismatch',
      `expected_revision: expected the head to be ${expectedRevision}, it is ${head}`,
      { metadata: { expected: String(expectedRevision), head: String(head) } },
    );
  if (measuredAtRevision === undefined) return;
  if (measuredAtRevision > head) throw beyondHead('measured_at_revision', measuredAtRevision, head);
  if (head - measuredAtRevision > stalenessMax)
    throw new ZerothError(
      'stale-measurement',
      `measured_at_revision: ${measuredAtRevision} lies ${counted(head - measuredAtRevision, 'revision')} behind the head ` +
        `${head}, staleness_max is ${stalenessMax}`,
      { metadata: { measured: String(measuredAtRevision), head: String(head) } },
    );
}

export function beyondHead(field: string, revision: number, head: number): ZerothError {
  return new ZerothError(
    'revision-beyond-head',
    `${field}: expected a revision up to the head ${head}, got ${revision}`,
    { field, metadata: { head: String(head) } },
  );
}
