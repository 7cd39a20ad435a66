// Rows of model outputs, with what of the batch goes beside them, cut into pieces that fit a message.
import { ZerothError } from '../../errors.ts';
import { type Tensor, tensorBytes } from '../../tensor.ts';
import type { Batch } from '../batch/batch.ts';
import type { MicroBatch } from '../batch/gather.ts';
import { chosen, type OutputSelection } from './output-selection.ts';
import { haveRowsAlike, notByRow } from './outputs.ts';
import type { PositionForward } from './position-forward.ts';

export type Piece = {
  /** Of its rows in the batch. */
  readonly places: Int32Array;
  /** The client's own numbers of these rows. */
  readonly rows: Float64Array;
  readonly outputs: ReadonlyMap<string, Tensor>;
  readonly tensors: ReadonlyMap<string, Tensor>;
};

/** What a piece takes beside its tensors' bytes, at most: so many small ones are no small thing either. */
const PIECE_BYTES = 4096;

/** What a row takes in messages beside its outputs: its number, at most 8 bytes up to 2^53, on the way there, or a loss on the way back. */
const ROW_BYTES = 8;

export function pieceBytes({ places, outputs, tensors }: Piece): number {
  const data = [...outputs.values(), ...tensors.values()].reduce(
    (sum, each) => sum + each.data.byteLength,
    0,
  );
  return PIECE_BYTES + data + places.length * (Int32Array.BYTES_PER_ELEMENT + Float64Array.BYTES_PER_ELEMENT);
}

export type PieceBounds = {
  /** Rows are added up to so many. */
  readonly pieceBytesMax: number;
  /** One row may have as many. */
  readonly rowBytesMax: number;
  /** Of one point's pieces together, by about one and what one forward pass gives; what is left is asked for again. */
  readonly bytesMax: number;
};

export type ReadOptions = PieceBounds & {
  readonly selections: readonly OutputSelection[];
  /** Names of the batch's extras that go along, by the names that they have there. */
  readonly tensors: Readonly<Record<string, string>>;
  readonly isCut: boolean;
  /** Micro-batches that are through already. */
  readonly from: number;
  readonly onMicroBatch?: () => void;
};

export type Read = {
  readonly pieces: readonly Piece[];
  /** The micro-batch to go on with; undefined where all rows are through. */
  readonly next: number | undefined;
};

/**
 * Outputs of a batch with the weights where they are, from one micro-batch on. A batch that fits a piece is never cut.
 * @throws ZerothError exhausted where one row is too large; invalid-argument as `evaluate`.
 */
export async function readOutputs(
  forward: PositionForward,
  batch: Batch,
  options: ReadOptions,
): Promise<Read> {
  const { selections, tensors, isCut, from, bytesMax } = options;
  const names = selections.map(({ name }) => name);
  const writer = new PieceWriter(batch, options);
  let i = from;
  for (const microBatch of batch.microBatches(isCut, from)) {
    if (from + writer.count > 0 && writer.bytes >= bytesMax) return { pieces: writer.finish(), next: i };
    options.onMicroBatch?.();
    const outputs = await forward.run(microBatch.feeds, names);
    const columns = selections.map((selection) => {
      const output = outputs[selection.name];
      if (output.shape[0] !== microBatch.rows) throw notByRow(selection.name, microBatch.rows, output);
      return ['outputs', selection.name, chosen(output, selection, microBatch)] as const;
    });
    const beside = Object.entries(tensors).map(
      ([role, name]) => ['tensors', name, microBatch.extras[role]] as const,
    );
    writer.add([...columns, ...beside], microBatch);
    i++;
  }
  return { pieces: writer.finish(), next: undefined };
}

type Column = readonly [group: 'outputs' | 'tensors', name: string, tensor: Tensor];

type Open = { readonly columns: readonly Column[]; readonly places: number[]; readonly capacity: number };

class PieceWriter {
  readonly #batch: Batch;
  readonly #bounds: PieceBounds;
  readonly #pieces: Piece[] = [];
  #open: Open | undefined;
  #bytes = 0;
  #rowsLeft: number;

  constructor(batch: Batch, bounds: PieceBounds) {
    this.#batch = batch;
    this.#bounds = bounds;
    this.#rowsLeft = batch.rows;
  }

  /** Pieces that are full. */
  get count(): number {
    return this.#pieces.length;
  }

  get bytes(): number {
    return this.#bytes;
  }

  add(columns: readonly Column[], { rows, placeOf }: MicroBatch): void {
    for (let i = 0; i < rows; i++) {
      this.#open ??= this.#begin(columns, rows);
      const { columns: wholes, places, capacity } = this.#open;
      for (const [c, [, name, tensor]] of columns.entries()) {
        const whole = wholes[c][2];
        if (!haveRowsAlike(tensor, whole)) throw notByRow(name, rows, tensor);
        const rowBytes = tensor.data.byteLength / rows;
        whole.data.set(tensor.data.subarray(i * rowBytes, (i + 1) * rowBytes), places.length * rowBytes);
        this.#bytes += rowBytes;
      }
      places.push(placeOf(i));
      this.#rowsLeft--;
      if (places.length === capacity) this.#close();
    }
  }

  finish(): readonly Piece[] {
    this.#close();
    return this.#pieces;
  }

  #begin(columns: readonly Column[], rows: number): Open {
    const { pieceBytesMax, rowBytesMax } = this.#bounds;
    const rowBytes = columns.reduce((sum, [, , { data }]) => sum + data.byteLength / rows, 0);
    if (rowBytes > rowBytesMax) throw rowTooLarge(rowBytes, rowBytesMax);
    const capacity = Math.max(
      1,
      Math.min(this.#rowsLeft, Math.floor(pieceBytesMax / (rowBytes + ROW_BYTES))),
    );
    const wholes = columns.map(([group, name, { dataType, shape }]) => {
      const whole = { dataType, shape: [capacity, ...shape.slice(1)] };
      return [group, name, { ...whole, data: new Uint8Array(tensorBytes(whole)) }] as const;
    });
    return { columns: wholes, places: [], capacity };
  }

  #close(): void {
    if (this.#open === undefined) return;
    const { columns, places } = this.#open;
    const inGroup = (wanted: Column[0]) =>
      new Map(
        columns.flatMap(([group, name, whole]) =>
          group === wanted ? [[name, upTo(places.length, whole)]] : [],
        ),
      );
    this.#pieces.push({
      places: Int32Array.from(places),
      rows: Float64Array.from(places, this.#batch.labels.rowOf),
      outputs: inGroup('outputs'),
      tensors: inGroup('tensors'),
    });
    this.#open = undefined;
  }
}

/** The first rows, in memory of their own. */
function upTo(rows: number, { dataType, shape, data }: Tensor): Tensor {
  if (rows === shape[0]) return { dataType, shape, data };
  const own = { dataType, shape: [rows, ...shape.slice(1)] };
  return { ...own, data: data.slice(0, tensorBytes(own)) };
}

function rowTooLarge(bytes: number, bytesMax: number): ZerothError {
  const message = `outputs: expected at most ${bytesMax} bytes a row (replyBytesMax), got ${bytes}; ask for fewer positions, or for float16`;
  return new ZerothError('exhausted', message, { field: 'outputs' });
}
