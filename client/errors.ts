// What a call says when it fails: the code, and the google.rpc details that came with it.
import { type Metadata, type ServiceError, status } from '@grpc/grpc-js';
import type { Any } from '../proto/gen/google/protobuf/any.ts';
import { BadRequest, ErrorInfo, ResourceInfo, RetryInfo } from '../proto/gen/google/rpc/error_details.ts';
import { Status } from '../proto/gen/google/rpc/status.ts';
import type { KnownReason, Reason } from './reasons.ts';

/** gRPC's codes by name. */
export type StatusName = keyof typeof status;

/** What google.rpc details say of an error. */
export type CallErrorDetails = {
  /** UPPER_SNAKE, more precise than the code; empty where the server gave none. */
  readonly reason: Reason;
  /** Facts for machines, by name. */
  readonly metadata: Readonly<Record<string, string>>;
  /** The request fields at fault. */
  readonly violations: readonly {
    /** As a path: `points[1].shifts[0].scale`. */
    readonly field: string;
    /** What was expected, and what came. */
    readonly description: string;
  }[];
  /** The full name of what is missing, taken or failed. */
  readonly resource?: string;
  /** How long to wait before trying again. Only where that can help. */
  readonly retryAfterMs?: number;
};

export const NO_DETAILS: CallErrorDetails = { reason: '', metadata: {}, violations: [] };

/** A call that failed. The message is the server's; `cause` is grpc-js's own error. */
export class ZerothCallError extends Error {
  /** gRPC's. UNAVAILABLE without a reason says that nobody knows whether the call arrived. */
  readonly code: StatusName;
  /** What the server said of it, for machines. */
  readonly details: CallErrorDetails;

  constructor(code: StatusName, message: string, details: CallErrorDetails, cause?: unknown) {
    super(message, { cause });
    this.name = 'ZerothCallError';
    this.code = code;
    this.details = details;
  }

  /** More precise than the code; '' where no server has answered. */
  get reason(): Reason {
    return this.details.reason;
  }
}

/** What was closed here stays closed: nobody should try it again. */
export function closed(what = 'this'): ZerothCallError {
  return new ZerothCallError('CANCELLED', `${what} has been closed`, NO_DETAILS);
}

/**
 * Whether a call failed for this reason.
 * @example
 * if (isReason(error, 'REVISION_MISMATCH')) console.log('the head is', error.details.metadata.head);
 */
export function isReason(error: unknown, reason: KnownReason): error is ZerothCallError {
  return error instanceof ZerothCallError && error.reason === reason;
}

/** Anything but an error of grpc-js comes back as it is: it is a bug. */
export function toCallError(error: unknown): unknown {
  return isServiceError(error) ? fromEnd(error, error) : error;
}

/** A call's end that need not be an Error. */
export function fromEnd(
  { code = status.UNKNOWN, details = '', metadata }: Partial<ServiceError>,
  cause?: unknown,
): ZerothCallError {
  return new ZerothCallError(
    wasCutOff(details) ? 'UNAVAILABLE' : ((status[code] ?? 'UNKNOWN') as StatusName),
    details,
    readDetails(metadata),
    cause,
  );
}

/** An error that came as a message, on a stream that goes on. */
export function fromStatus({ code, message, details }: Status): ZerothCallError {
  return new ZerothCallError((status[code] ?? 'UNKNOWN') as StatusName, message, collect(details));
}

function isServiceError(error: unknown): error is ServiceError {
  return error instanceof Error && 'code' in error && typeof error.code === 'number' && 'details' in error;
}

/** The details in the trailers. Ones that cannot be read are left out: the code still tells. */
export function readDetails(metadata: Metadata | undefined): CallErrorDetails {
  const [encoded] = metadata?.get('grpc-status-details-bin') ?? [];
  if (!Buffer.isBuffer(encoded)) return collect([]);
  try {
    return collect(Status.decode(encoded).details);
  } catch {
    // A proxy on the way may answer with bytes of its own under this name.
    return collect([]);
  }
}

function collect(details: readonly Any[]): CallErrorDetails {
  return Object.assign({ ...NO_DETAILS }, ...details.map(readDetail));
}

function readDetail({ typeUrl, value }: Any): Partial<CallErrorDetails> {
  switch (typeUrl.slice(typeUrl.lastIndexOf('/') + 1)) {
    case 'google.rpc.ErrorInfo': {
      const { reason, metadata } = ErrorInfo.decode(value);
      return { reason, metadata };
    }
    case 'google.rpc.BadRequest': {
      const { fieldViolations } = BadRequest.decode(value);
      return { violations: fieldViolations.map(({ field, description }) => ({ field, description })) };
    }
    case 'google.rpc.ResourceInfo':
      return { resource: ResourceInfo.decode(value).resourceName };
    case 'google.rpc.RetryInfo': {
      const { seconds = 0n, nanos = 0 } = RetryInfo.decode(value).retryDelay ?? {};
      return { retryAfterMs: Number(seconds) * 1000 + nanos / 1e6 };
    }
    default:
      return {};
  }
}

/** By a connection that broke behind the answer's headers: grpc-js calls that UNKNOWN, as if the server had said it. */
function wasCutOff(details: string | undefined): boolean {
  return details?.endsWith('(Call ended without gRPC status)') === true;
}
