// Why calls fail: the reasons of the server's errors (google.rpc.ErrorInfo), each with what can be done about it.
import type { Reason as ServerReason } from '../server/errors.ts';

/** Reasons that a server gives. Where there is nothing to say beyond gRPC's code, its name is the reason. */
export const REASONS = {
  /** The request is wrong: `details.violations` names the field, the message what was expected and what came. */
  INVALID_ARGUMENT: 'INVALID_ARGUMENT',
  /** This request id was used before, with other content. */
  REQUEST_ID_REUSED: 'REQUEST_ID_REUSED',
  /** No token, or one that the server does not know. */
  UNAUTHENTICATED: 'UNAUTHENTICATED',
  /** `details.resource` is what does not exist. */
  NOT_FOUND: 'NOT_FOUND',
  /** `details.resource` is what exists already. */
  ALREADY_EXISTS: 'ALREADY_EXISTS',
  /** Somebody else has told this trial: its lease was over. */
  TRIAL_TOLD: 'TRIAL_TOLD',
  /** The head is not `expectedRevision`; `details.metadata.head` is where it is. Measure again. */
  REVISION_MISMATCH: 'REVISION_MISMATCH',
  /** The losses behind this update are older than it allows. Measure again. */
  STALE_MEASUREMENT: 'STALE_MEASUREMENT',
  /** `details.metadata.head` is the newest. */
  REVISION_BEYOND_HEAD: 'REVISION_BEYOND_HEAD',
  /** The run cannot go on; a rollback brings it back. */
  RUN_FAILED: 'RUN_FAILED',
  /** Weights have left their range, so the run has failed: the steps are too large. */
  WEIGHTS_OUT_OF_RANGE: 'WEIGHTS_OUT_OF_RANGE',
  /** The run's model is not there: load it again. */
  MODEL_NOT_LOADED: 'MODEL_NOT_LOADED',
  /** It has runs: delete them, or `force`. */
  MODEL_IN_USE: 'MODEL_IN_USE',
  /** The server trains this run; one training at a time. */
  RUN_IN_TRAINING: 'RUN_IN_TRAINING',
  /** Not in the state that a training is in. */
  TRAINING_STATE: 'TRAINING_STATE',
  /** An objective of the operator, or of a client, did not score. The message is its own. */
  OBJECTIVE_FAILED: 'OBJECTIVE_FAILED',
  /** A bound of the server's settings, by its name in the message. Waiting does not help. */
  RESOURCE_EXHAUSTED: 'RESOURCE_EXHAUSTED',
  /** So many requests wait for this run. Tried again after `details.retryAfterMs`, as the next two are. */
  QUEUE_OF_RUN_FULL: 'QUEUE_OF_RUN_FULL',
  /** So many requests wait for this model. */
  QUEUE_OF_MODEL_FULL: 'QUEUE_OF_MODEL_FULL',
  /** So many outputs wait for clients that score. */
  QUEUE_OF_OBJECTIVES_FULL: 'QUEUE_OF_OBJECTIVES_FULL',
  /** For no reason that has a name of its own. */
  UNAVAILABLE: 'UNAVAILABLE',
  /** The server is reading its journals; it refused the call. */
  LOADING: 'LOADING',
  /** The server goes down. */
  DRAINING: 'DRAINING',
  /** No client serves this objective. */
  NO_CLIENT_SERVES_OBJECTIVE: 'NO_CLIENT_SERVES_OBJECTIVE',
  /** What clients need to score this objective has changed meanwhile. */
  OBJECTIVE_CHANGED: 'OBJECTIVE_CHANGED',
  /** The device is gone; the model has to be loaded again. */
  DEVICE_LOST: 'DEVICE_LOST',
  /** This server, or this model, cannot do that. */
  UNIMPLEMENTED: 'UNIMPLEMENTED',
  /** No such noise; GetServerInfo lists those that there are. */
  UNKNOWN_NOISE: 'UNKNOWN_NOISE',
  /** The device that the server was told to use is not there. */
  DEVICE_UNAVAILABLE: 'DEVICE_UNAVAILABLE',
  /** Journal, dataset or base weights are not what their digest says. */
  DATA_LOSS: 'DATA_LOSS',
  /** The server has given up on somebody that it asked. */
  DEADLINE_EXCEEDED: 'DEADLINE_EXCEEDED',
  /** By the other side; a call that its own signal ends rejects with the signal's reason. */
  CANCELLED: 'CANCELLED',
  /** A bug of the server; its log says more. */
  INTERNAL: 'INTERNAL',
} as const satisfies { readonly [Name in ServerReason]: Name };

/** Those of this version. */
export type KnownReason = keyof typeof REASONS;

/** Those of this version, others of a newer server, or '' where there is none. */
export type Reason = KnownReason | (string & {});
