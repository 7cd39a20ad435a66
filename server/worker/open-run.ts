// A run in its worker: a seat for its weights, and a session that reads them where they lie.
import { createHash } from 'node:crypto';
import type { CheckpointIdentity } from '../checkpoint/checkpoint.ts';
import { readCheckpoint, type WrittenCheckpoint, writeCheckpoint } from '../checkpoint/file.ts';
import { invalid, ZerothError } from '../errors.ts';
import type { Change } from '../journal/journal.ts';
import type { Evaluation } from '../model/forward/evaluate.ts';
import { pieceBytes, type Read } from '../model/forward/pieces.ts';
import { WeightsOutOfRange } from '../weights/weights.ts';
import type {
  Evaluated,
  EvaluateWork,
  ExportFormat,
  OutputsWork,
  PieceOfPoint,
  PinnedPoint,
  Portion,
  Regrid,
  WorkerCalls,
} from './messages.ts';
import { settled } from './outcome.ts';
import type { Seat } from './seat.ts';
import { tour } from './tour.ts';
import type { Position } from './way.ts';

export type OpenRunParts = {
  readonly seat: Seat;
  /** Checks a batch, and returns the forward passes over it with the weights where the seat has them then. */
  readonly prepare: (work: EvaluateWork) => () => Promise<Evaluation>;
  /** The same for outputs: what it returns reads them from a micro-batch on, up to so many bytes. */
  readonly prepareOutputs: (work: OutputsWork) => PreparedOutputs;
  /** The tuned model as a file. */
  readonly write: (format: ExportFormat, values: ReadonlyMap<string, Float32Array>) => Uint8Array;
  readonly release: () => Promise<void>;
};

export type PreparedOutputs = {
  /** Of the batch. */
  readonly rows: number;
  /** Outputs with the weights where they are, from a micro-batch on. */
  readonly read: (from: number) => Promise<Read>;
};

export class OpenRun {
  readonly #parts: OpenRunParts;

  constructor(parts: OpenRunParts) {
    this.#parts = parts;
  }

  get #seat(): Seat {
    return this.#parts.seat;
  }

  extend(changes: readonly Change[]): null {
    this.#seat.extend(changes);
    return null;
  }

  setSnapshots(revisions: readonly number[]): null {
    this.#seat.setSnapshots(revisions);
    return null;
  }

  /** Moves to the head. @returns the tensors that are due for a regrid there. */
  settle(): readonly Regrid[] {
    return withinRange(() => {
      this.#seat.moveTo({ revision: this.#seat.head, shifts: [] });
      return this.#seat.dueRegrids();
    }, runFailed);
  }

  async append(change: Change, evaluate: EvaluateWork | undefined): Promise<WorkerCalls['append']['out']> {
    try {
      this.#seat.keepForSnapshots(change);
    } finally {
      // The journal has it, whatever becomes of the copies.
      this.#seat.extend([change]);
    }
    // The weights stay where they are, if they can: the next evaluation takes the update along on its way.
    const due = withinRange(() => this.#seat.dueRegrids(), runFailed);
    const evaluated =
      evaluate === undefined || due.length > 0 ? undefined : await settled(() => this.evaluate(evaluate));
    return { due, evaluated };
  }

  reset(): null {
    this.#seat.reset();
    return null;
  }

  prepare(point: PinnedPoint, field: string): null {
    this.#moveTo(point, field);
    return null;
  }

  async evaluate(work: EvaluateWork): Promise<Evaluated> {
    const { points } = work;
    const evaluate = this.#parts.prepare(work);
    const results: Evaluation[] = [];
    const from = () => this.#seat.position;
    const wayTo = (point: Position) => this.#seat.wayTo(point);
    let [movingMs, forwardMs] = [0, 0];
    for (const i of tour({ points, from, wayTo })) {
      const begun = performance.now();
      this.#moveTo(points[i], `points[${i}]`);
      const moved = performance.now();
      results[i] = await evaluate();
      movingMs += moved - begun;
      forwardMs += performance.now() - moved;
    }
    return { results, movingMs, forwardMs };
  }

  /**
   * Point by point, until there are enough bytes. How a point's rows are cut into pieces does not depend on those before it: what a client
   * makes of a piece may.
   */
  async outputs(work: OutputsWork): Promise<Portion> {
    const { points, bytesMax } = work;
    const { rows, read } = this.#parts.prepareOutputs(work);
    const pieces: PieceOfPoint[] = [];
    const left = new Set(points.keys());
    let [from, movingMs, forwardMs, bytes] = [work.from, 0, 0, 0];
    for (const point of this.#orderOf(points, from)) {
      const begun = performance.now();
      this.#moveTo(points[point], `points[${point}]`);
      const moved = performance.now();
      const { pieces: more, next } = await read(from);
      movingMs += moved - begun;
      forwardMs += performance.now() - moved;
      pieces.push(...more.map((piece) => ({ ...piece, point })));
      bytes += more.reduce((sum, piece) => sum + pieceBytes(piece), 0);
      from = next ?? 0;
      left.delete(point);
      if (next === undefined && bytes < bytesMax) continue;
      const first = next === undefined ? [] : [point];
      return { pieces, left: { points: [...first, ...left], from }, rows, movingMs, forwardMs };
    }
    return { pieces, left: { points: [], from: 0 }, rows, movingMs, forwardMs };
  }

  read(point: PinnedPoint, tensor: number): Uint8Array {
    this.#moveTo(point, 'point');
    const values = this.#seat.weights.read(tensor);
    return new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
  }

  digest(revision: number): string {
    return withinRange(() => this.#seat.digestAt(revision), runFailed);
  }

  restoreCheckpoint(path: string, identity: CheckpointIdentity): null {
    this.#seat.restore(identity.revision, readCheckpoint(path, this.#seat.weights.specs, identity));
    return null;
  }

  wayToHead(from: number): number {
    return this.#seat.wayToHead(from);
  }

  /** @param onPiece called between pieces; what it throws ends the writing. */
  writeCheckpoint(path: string, identity: CheckpointIdentity, onPiece: () => void): WrittenCheckpoint {
    const { revision } = identity;
    // Weights that are ahead of the journal must never be taken for those of a revision.
    if (revision !== this.#seat.head)
      throw new Error(`checkpoint: expected the head ${this.#seat.head}, got ${revision}`);
    withinRange(() => this.#seat.moveTo({ revision, shifts: [] }), runFailed);
    return writeCheckpoint(path, this.#seat.weights, identity, onPiece);
  }

  exportAs(format: ExportFormat, revision: number): WorkerCalls['exportRun']['out'] {
    const weightsSha256 = this.digest(revision);
    const { weights } = this.#seat;
    const values = new Map(weights.specs.map(({ name }, tensor) => [name, weights.read(tensor)]));
    const file = this.#parts.write(format, values);
    return { file, sha256: createHash('sha256').update(file).digest('hex'), weightsSha256 };
  }

  close(): Promise<void> {
    return this.#parts.release();
  }

  /** Points' numbers, nearest first; where the first is begun already, it goes before all others. */
  *#orderOf(points: readonly PinnedPoint[], from: number): Generator<number> {
    const begun = from > 0 ? 1 : 0;
    if (begun === 1) yield 0;
    const others = tour({
      points: points.slice(begun),
      from: () => this.#seat.position,
      wayTo: (point: Position) => this.#seat.wayTo(point),
    });
    for (const i of others) yield i + begun;
  }

  #moveTo(point: PinnedPoint, field: string): void {
    withinRange(
      () => this.#seat.moveTo(point),
      (tensor) => pointOutOfRange(field, point, tensor),
    );
  }
}

/** The seat says which tensor left its range; what that means to the caller depends on what was asked. */
function withinRange<T>(work: () => T, describe: (tensor: string) => ZerothError): T {
  try {
    return work();
  } catch (error) {
    throw error instanceof WeightsOutOfRange ? describe(error.tensor) : error;
  }
}

function pointOutOfRange(field: string, { shifts }: PinnedPoint, tensor: string): ZerothError {
  return shifts.length > 0
    ? invalid(
        `${field}.shifts`,
        'shifts that leave every weight in its range',
        `shifts that take ${tensor} out of it`,
      )
    : invalid(`${field}.anchor`, 'a revision with every weight in its range', `one where ${tensor} left it`);
}

function runFailed(tensor: string): ZerothError {
  const message = `tensor ${tensor}: a weight left its range; the run has diverged, RollbackRun brings it back`;
  return new ZerothError('run-failed', message, { reason: 'WEIGHTS_OUT_OF_RANGE', metadata: { tensor } });
}
