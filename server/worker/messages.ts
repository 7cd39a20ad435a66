// What the main thread and a model's worker say to each other. All of it is plain data; datasets
// travel as SharedArrayBuffers, by reference.
import type { CheckpointIdentity } from '../checkpoint/checkpoint.ts';
import type { WrittenCheckpoint } from '../checkpoint/file.ts';
import type { ErrorDetails, ErrorKind } from '../errors.ts';
import type { Additions } from '../journal/journal.ts';
import type { BatchSource } from '../model/batch/columns.ts';
import type { Evaluation } from '../model/forward/evaluate.ts';
import type { OutputSelection } from '../model/forward/output-selection.ts';
import type { Piece, PieceBounds } from '../model/forward/pieces.ts';
import type { Parameter } from '../model/graph/graph.ts';
import type { WholeHead } from '../model/graph/positions.ts';
import type { NamedNeed } from '../model/objective/needs.ts';
import type { ObjectiveFile } from '../model/objective/operator-objective.ts';
import type { TableKind } from '../noise/table.ts';
import type { RuntimeName } from '../runtime/open.ts';
import type { DeviceName } from '../runtime/runtime.ts';
import type { Shift } from '../shift.ts';
import type { TensorSpec } from '../tensor.ts';
import type { SharedBudget } from './budget.ts';

export type ModelInfo = {
  readonly sha256: string;
  readonly inputs: readonly TensorSpec[];
  readonly outputs: readonly TensorSpec[];
  readonly parameters: readonly Parameter[];
  /** Whether it runs on made-up rows: what runs make of its graph is compared with it then. */
  readonly isProbed: boolean;
  readonly device: DeviceName;
  /** Nodes that the host computes for another device, `Gelu x 6`; not known of a model that was not probed. */
  readonly fallbacks: readonly string[] | undefined;
  /** Why weights move slowly on the device, where they do. */
  readonly slowness: string | undefined;
};

export type ObjectiveChoice = {
  readonly name: string;
  readonly output: string;
  readonly labels: string;
  /** The batch's tensor with the words that stand for classes, and that with their positions; none where it is absent or empty. */
  readonly candidates?: string;
  readonly positions?: string;
};

/** What a file of the operator turned out to be. */
export type ObjectiveFacts = {
  readonly description: string;
  readonly needs: readonly NamedNeed[];
  readonly isPerExample: boolean;
};

/** Patterns from a client, or the exact names that a run was created with. */
export type TrainableChoice =
  | { readonly kind: 'patterns'; readonly include: readonly string[]; readonly exclude: readonly string[] }
  | { readonly kind: 'names'; readonly names: readonly string[] };

/** A point whose anchor has been resolved. */
export type PinnedPoint = { readonly revision: number; readonly shifts: readonly Shift[] };

export type EvaluateWork = {
  readonly run: string;
  readonly points: readonly PinnedPoint[];
  readonly batch: BatchSource;
  readonly objective: ObjectiveChoice;
  readonly perExampleLosses: boolean;
  readonly outputs: readonly string[];
  /** More of them, chosen more closely. */
  readonly outputSelections?: readonly OutputSelection[] | undefined;
  /** Of which rows, as places in the batch; undefined means of all. */
  readonly outputPlaces?: readonly number[] | undefined;
};

/** What is asked of the outputs themselves, to be scored elsewhere. */
export type OutputsWork = PieceBounds & {
  readonly run: string;
  readonly points: readonly PinnedPoint[];
  readonly batch: BatchSource;
  readonly outputs: readonly OutputSelection[];
  /** Names of batch tensors that go along. */
  readonly tensors: readonly string[];
  /** Micro-batches of the first point that are through already; it goes first then. */
  readonly from: number;
  /** Whether a loss for each example is to fit the reply. */
  readonly perExampleLosses: boolean;
};

/** Pieces of points, with at most about twice `bytesMax`. */
export type Portion = {
  readonly pieces: readonly PieceOfPoint[];
  /** Points that are not through yet, by their numbers: the first from a micro-batch on. */
  readonly left: { readonly points: readonly number[]; readonly from: number };
  /** Of the batch. */
  readonly rows: number;
  readonly movingMs: number;
  readonly forwardMs: number;
};

export type PieceOfPoint = Piece & {
  /** By its number in the request. */
  readonly point: number;
};

/** Of all points, and where their time went. */
export type Evaluated = {
  readonly results: readonly Evaluation[];
  readonly movingMs: number;
  readonly forwardMs: number;
};
/** Chosen ones alone, or all of them, and why. */
export type PositionScope =
  | { readonly output: string; readonly chosen: true }
  | (WholeHead & { readonly chosen: false });

export type Regrid = { readonly tensor: number; readonly exponent: number };

export type ExportFormat = 'onnx' | 'onnx-merged' | 'safetensors';

/** Every request by its name: what goes in, what comes back. */
export type WorkerCalls = {
  /** Objectives of the operator, instead of those before; evaluations that begin from then on use these. */
  setObjectives: { in: { files: readonly ObjectiveFile[] }; out: null };
  loadModel: { in: { path: string; bytesMax: number }; out: ModelInfo };
  /** Whether the device can be had and moves weights rightly; an error says why not. */
  tryDevice: { in: null; out: null };
  /** Checks that an objective and a selector fit the model before a run is written down. */
  openRun: {
    in: {
      run: string;
      table: TableKind;
      trainable: TrainableChoice;
      objective: ObjectiveChoice;
      /** What to put into the model first. */
      additions: Additions;
      /** Where this run's copies are counted (budget.ts). */
      copies: SharedArrayBuffer;
    };
    out: {
      trainable: readonly Parameter[];
      baseSha256: string;
      weightsBytes: number;
      /** Which positions go through a head that scores positions; undefined where no output has such scores. */
      positions: PositionScope | undefined;
    };
  };
  closeRun: { in: { run: string }; out: null };
  /** Learns entries without moving; `settle` moves. Changes travel in the journal's form (journal/encode.ts): cloning 65,536 shifts takes 10 ms. */
  extend: { in: { run: string; changes: readonly Uint8Array[] }; out: null };
  setSnapshots: { in: { run: string; revisions: readonly number[] }; out: null };
  /** Moves to the head and says which tensors are due for a regrid there. */
  settle: { in: { run: string }; out: readonly Regrid[] };
  /**
   * An entry, which regrids are due after it, and an evaluation there, unless one is due first. The weights move to the
   * new head only where it takes that to know. An error of the evaluation is none of the entry.
   */
  append: {
    in: { run: string; change: Uint8Array; evaluate: EvaluateWork | undefined };
    out: { due: readonly Regrid[]; evaluated: Outcome<Evaluated> | undefined };
  };
  prepare: { in: { run: string; point: PinnedPoint }; out: null };
  evaluate: { in: EvaluateWork; out: Evaluated };
  outputs: { in: OutputsWork; out: Portion };
  /** Little-endian float32 of one tensor at a point. */
  read: { in: { run: string; point: PinnedPoint; tensor: number }; out: Uint8Array };
  digest: { in: { run: string; revision: number }; out: string };
  /** Forgets weights and entries; `extend` and `settle` bring them back from base and journal. */
  reset: { in: { run: string }; out: null };
  /** Puts the weights where a checkpoint has them; where it is damaged they are nowhere, and a move begins at the base. */
  restoreCheckpoint: { in: { run: string; path: string; identity: CheckpointIdentity }; out: null };
  /** Directions that a way from a revision to the head moves; infinite back over a regrid or a decay, which begins at the base. */
  wayToHead: { in: { run: string; from: number }; out: number };
  /** Moves to the head, which is the identity's revision, and writes the weights to a file. */
  writeCheckpoint: {
    in: { run: string; path: string; identity: CheckpointIdentity };
    out: WrittenCheckpoint;
  };
  exportRun: {
    in: { run: string; revision: number; format: ExportFormat };
    out: { file: Uint8Array; sha256: string; weightsSha256: string };
  };
  close: { in: null; out: null };
};

export type CallName = keyof WorkerCalls;

export type WorkerRequest = { readonly id: number; readonly name: CallName; readonly payload: unknown };

export type Outcome<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly error: WorkerError };

export type WorkerReply = { readonly id: number; readonly outcome: Outcome<unknown> };

/** What an objective of the operator has left behind has failed, when no call of it was under way. */
export type StrayError = { readonly objective: string; readonly stack: string };

/** An error that crosses threads: an operating one with its kind, or a bug with its stack. */
export type WorkerError = {
  readonly kind: ErrorKind;
  readonly message: string;
  readonly details: ErrorDetails;
  readonly stack?: string;
};

/** What a worker is born with. */
export type WorkerOptions = {
  readonly runtime: RuntimeName;
  readonly device: DeviceName;
  /** Whether a model is refused of which the host would compute a node. */
  readonly strictDevice: boolean;
  /** The queue for the device, which all workers share. */
  readonly queue: SharedArrayBuffer;
  readonly threads: number;
  readonly spinning: boolean;
  readonly rowsPerMicroBatchMax: number;
  readonly tokensPerMicroBatchMax: number;
  readonly replyBytesMax: number;
  readonly snapshotWayMax: number;
  /** How long a call of an operator's module may take; 0 is as long as it likes. */
  readonly objectiveMsMax: number;
  /** What weights may take, in all workers. */
  readonly budget: SharedBudget;
  /** Whose work is in progress (runtime/caller.ts). */
  readonly caller: SharedArrayBuffer;
};
