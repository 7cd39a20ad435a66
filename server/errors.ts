// What can go wrong, in the words of the domain. rpc/status.ts turns a kind into a gRPC code.

export type ErrorKind =
  | 'invalid-argument'
  | 'unauthenticated'
  | 'request-id-reused'
  | 'not-found'
  | 'already-exists'
  | 'revision-mismatch'
  | 'stale-measurement'
  | 'revision-beyond-head'
  | 'run-failed'
  | 'model-not-loaded'
  | 'model-in-use'
  | 'run-in-training'
  | 'training-state'
  | 'trial-told'
  | 'objective-failed'
  | 'exhausted'
  | 'unavailable'
  | 'unimplemented'
  | 'data-loss'
  | 'deadline-exceeded'
  | 'judge-failed'
  | 'cancelled'
  | 'internal';

/** What a client is told beside the message; all plain data, so that it crosses threads. */
export type ErrorDetails = {
  /** The request field at fault, as a path: `points[1].shifts[0].scale`. */
  readonly field?: string;
  /** The resource that is missing, taken or failed, by its full name. */
  readonly resource?: string;
  /** Overrides the kind's own UPPER_SNAKE reason. */
  readonly reason?: string;
  /** Further facts for machines. Seeds and other uint64 as strings. */
  readonly metadata?: Readonly<Record<string, string>>;
  /** How long to wait before trying again, where that can help. */
  readonly retryAfterMs?: number;
};

/** An operating error: expected, described, sent to the client. Bugs are plain Errors. */
export class ZerothError extends Error {
  readonly kind: ErrorKind;
  readonly details: ErrorDetails;

  constructor(kind: ErrorKind, message: string, details: ErrorDetails = {}, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = 'ZerothError';
    this.kind = kind;
    this.details = details;
  }
}

/** The most common one: `field: expected ..., got ...`. */
export function invalid(field: string, expected: string, got: string): ZerothError {
  return new ZerothError('invalid-argument', `${field}: expected ${expected}, got ${got}`, { field });
}

export function notFound(resource: string, hint = ''): ZerothError {
  return new ZerothError('not-found', `${resource} does not exist${hint}`, { resource });
}
