// From an error's kind to a gRPC status, with google.rpc details. The one table.
import { Metadata, type ServiceError, status } from '@grpc/grpc-js';
import type { Any } from '../../proto/gen/google/protobuf/any.ts';
import { BadRequest, ErrorInfo, ResourceInfo, RetryInfo } from '../../proto/gen/google/rpc/error_details.ts';
import { Status } from '../../proto/gen/google/rpc/status.ts';
import { type ErrorKind, type Reason, ZerothError } from '../errors.ts';

const ERROR_DOMAIN = 'zeroth.v1';

/** A new kind without a code does not compile. */
export const statusOf: Record<ErrorKind, { readonly code: status; readonly reason: Reason }> = {
  'invalid-argument': { code: status.INVALID_ARGUMENT, reason: 'INVALID_ARGUMENT' },
  unauthenticated: { code: status.UNAUTHENTICATED, reason: 'UNAUTHENTICATED' },
  'request-id-reused': { code: status.INVALID_ARGUMENT, reason: 'REQUEST_ID_REUSED' },
  'not-found': { code: status.NOT_FOUND, reason: 'NOT_FOUND' },
  'already-exists': { code: status.ALREADY_EXISTS, reason: 'ALREADY_EXISTS' },
  'revision-mismatch': { code: status.ABORTED, reason: 'REVISION_MISMATCH' },
  'stale-measurement': { code: status.ABORTED, reason: 'STALE_MEASUREMENT' },
  'revision-beyond-head': { code: status.OUT_OF_RANGE, reason: 'REVISION_BEYOND_HEAD' },
  'run-failed': { code: status.FAILED_PRECONDITION, reason: 'RUN_FAILED' },
  'model-not-loaded': { code: status.FAILED_PRECONDITION, reason: 'MODEL_NOT_LOADED' },
  'model-in-use': { code: status.FAILED_PRECONDITION, reason: 'MODEL_IN_USE' },
  'run-in-training': { code: status.FAILED_PRECONDITION, reason: 'RUN_IN_TRAINING' },
  'training-state': { code: status.FAILED_PRECONDITION, reason: 'TRAINING_STATE' },
  'trial-told': { code: status.ALREADY_EXISTS, reason: 'TRIAL_TOLD' },
  'objective-failed': { code: status.FAILED_PRECONDITION, reason: 'OBJECTIVE_FAILED' },
  exhausted: { code: status.RESOURCE_EXHAUSTED, reason: 'RESOURCE_EXHAUSTED' },
  unavailable: { code: status.UNAVAILABLE, reason: 'UNAVAILABLE' },
  unimplemented: { code: status.UNIMPLEMENTED, reason: 'UNIMPLEMENTED' },
  'data-loss': { code: status.DATA_LOSS, reason: 'DATA_LOSS' },
  'deadline-exceeded': { code: status.DEADLINE_EXCEEDED, reason: 'DEADLINE_EXCEEDED' },
  'judge-failed': { code: status.UNKNOWN, reason: 'OBJECTIVE_FAILED' },
  cancelled: { code: status.CANCELLED, reason: 'CANCELLED' },
  internal: { code: status.INTERNAL, reason: 'INTERNAL' },
};

/** With details of 100 KB a client hung to its deadline (60 KB passed). What is over is left out, the last first. */
const DETAILS_BYTES_MAX = 4096;
const CHARACTERS_MAX = 800;

/** All that a client is told of a bug, whose own text stays in the log. */
const BUG = 'internal error; the log says more';

/** The end of a call whose own answer could not be sent. */
export const unsent: Partial<ServiceError> = { code: status.INTERNAL, details: BUG };

/** The end of a call that failed. */
export function toServiceError(error: unknown): Partial<ServiceError> {
  const wire = toWireStatus(error);
  const metadata = new Metadata();
  metadata.set('grpc-status-details-bin', Buffer.from(Status.encode(wire).finish()));
  return { code: wire.code, details: wire.message, metadata };
}

/** What a client may know of an error. */
export function toWireStatus(error: unknown): Status {
  const known = error instanceof ZerothError ? error : new ZerothError('internal', BUG);
  const message = clip(known.message);
  return bounded({ code: statusOf[known.kind].code, message, details: detailsOf(known, message) });
}

function bounded(wire: Status): Status {
  if (Status.encode(wire).finish().length <= DETAILS_BYTES_MAX) return wire;
  return bounded({ ...wire, details: wire.details.slice(0, -1) });
}

function detailsOf(error: ZerothError, message: string): Any[] {
  const { field, resource, retryAfterMs } = error.details;
  const details = [pack('ErrorInfo', ErrorInfo.encode(errorInfo(error)).finish())];
  if (field !== undefined) {
    const violation = {
      field,
      description: message,
      reason: errorInfo(error).reason,
      localizedMessage: undefined,
    };
    details.push(pack('BadRequest', BadRequest.encode({ fieldViolations: [violation] }).finish()));
  }
  if (resource !== undefined)
    details.push(pack('ResourceInfo', ResourceInfo.encode(resourceInfo(resource, message)).finish()));
  if (retryAfterMs !== undefined) {
    const retryDelay = {
      seconds: BigInt(Math.floor(retryAfterMs / 1000)),
      nanos: (retryAfterMs % 1000) * 1e6,
    };
    details.push(pack('RetryInfo', RetryInfo.encode({ retryDelay }).finish()));
  }
  return details;
}

function errorInfo(error: ZerothError): ErrorInfo {
  const reason = error.details.reason ?? statusOf[error.kind].reason;
  return { reason, domain: ERROR_DOMAIN, metadata: { ...error.details.metadata } };
}

function resourceInfo(resourceName: string, description: string): ResourceInfo {
  return {
    resourceType: resourceName.split('/')[0],
    resourceName: clip(resourceName),
    owner: '',
    description,
  };
}

function pack(type: string, value: Uint8Array): Any {
  return { typeUrl: `type.googleapis.com/google.rpc.${type}`, value: Buffer.from(value) };
}

/** Half a surrogate pair, by the cut or by a client, is mended: grpc-js throws URIError on one. */
function clip(text: string): string {
  const clipped = text.length > CHARACTERS_MAX ? `${text.slice(0, CHARACTERS_MAX)}...` : text;
  return clipped.toWellFormed();
}
