// Micro-batches out of a batch's columns: copied to where a session can read them, once where they are small.
import { type Tensor, tensorBytes } from '../../tensor.ts';
import type { Column } from './columns.ts';
import type { Sequence } from './lengths.ts';
import { type BatchBuffers, type Part, placeIn, type Rows, takeRows } from './rows.ts';

type Feeds = Readonly<Record<string, Tensor>>;

export type MicroBatch = {
  readonly rows: number;
  /** Where row `i` of these stands in the batch. */
  placeOf(i: number): number;
  readonly feeds: Feeds;
  readonly labels: Tensor;
  /** What else the objective asked for, by what it is to it. */
  readonly extras: Readonly<Record<string, Tensor>>;
};

type Contents = {
  readonly rows: Rows;
  readonly columns: readonly Column[];
  readonly labels: Column;
  readonly extras: Readonly<Record<string, Column>>;
  readonly sequence: Sequence | undefined;
  /** Whether labels lie along the sequence, and are cut with it. */
  readonly isLabelled: boolean;
  /** Inputs that are the same for any rows. */
  readonly constants: Feeds;
};

/** Rows of one forward pass, and after how many tokens they are cut, if they are. */
type Pass = Part & { readonly tokens?: number };

/**
 * Micro-batches that are together no larger are gathered once and kept, for the other points of
 * their request. 1,024 rows of 1,024 token ids and their mask are this large.
 */
const KEPT_BYTES_MAX = 16 * 2 ** 20;

/** What the objects of a micro-batch take. */
const MICRO_BATCH_BYTES = 2048;

/** A multiple of every element's size. */
const ALIGNMENT = 8;

/** Memory for `bytes` of a column; holds until it is asked for the same column again, or for good. */
type Memory = (name: string, bytes: number) => Uint8Array;

/**
 * @param plan Names the memory; what is handed out of one plan holds while another is handed out.
 * @returns what hands the micro-batches out from one of them on, any number of times.
 */
export function gather(
  contents: Contents,
  plan: { readonly name: string; readonly passes: readonly Pass[] },
  buffers: BatchBuffers,
): (from: number) => Iterable<MicroBatch> {
  const { name, passes } = plan;
  const bytes = passes.reduce((sum, pass) => sum + bytesOf(contents, pass), 0);
  const isKept = passes.length === 1 || bytes <= KEPT_BYTES_MAX;
  const memory: Memory = isKept
    ? carve(() => buffers.get(name, bytes))
    : (column, wanted) => buffers.get(`${name} ${column}`, wanted);
  const kept: MicroBatch[] = [];
  return function* (from) {
    for (let i = from; i < passes.length; i++) {
      const microBatch = kept[i] ?? microBatchOf(contents, passes[i], memory);
      if (isKept) kept[i] = microBatch;
      yield microBatch;
    }
  };
}

/** Pieces of a memory, one after the other. */
function carve(find: () => Uint8Array): Memory {
  let used = 0;
  return (_, bytes) => {
    const start = used;
    used += Math.ceil(bytes / ALIGNMENT) * ALIGNMENT;
    return find().subarray(start, start + bytes);
  };
}

function microBatchOf(contents: Contents, pass: Pass, memory: Memory): MicroBatch {
  const { rows, columns, labels } = contents;
  const count = pass.end - pass.start;
  const take = (column: Column, role: string, shape: readonly number[]): Tensor => {
    const rowBytes = bytesOfRow(column, shape);
    const room = () => memory(`${role} ${column.name}`, count * rowBytes);
    const data = takeRows(column, rows, pass, rowBytes, room);
    return { dataType: column.dataType, shape: [count, ...shape], data };
  };
  const feeds = columns.map((column) => {
    return [column.name, take(column, 'input', shapeOfRow(contents, column, pass))] as const;
  });
  const extras = Object.entries(contents.extras).map(
    ([role, column]) => [role, take(column, role, column.shape.slice(1))] as const,
  );
  return {
    rows: count,
    placeOf: (i) => placeIn(pass, i),
    feeds: { ...contents.constants, ...Object.fromEntries(feeds) },
    labels: take(labels, 'labels', shapeOfLabels(contents, pass)),
    extras: Object.fromEntries(extras),
  };
}

/** Of an input; without the tokens beyond the pass's. */
function shapeOfRow({ sequence }: Contents, column: Column, { tokens }: Pass): readonly number[] {
  const [, , ...rest] = column.shape;
  const isCut = tokens !== undefined && sequence?.inputs.has(column.name) === true;
  return isCut ? [tokens, ...rest] : column.shape.slice(1);
}

function shapeOfLabels({ labels, isLabelled }: Contents, { tokens }: Pass): readonly number[] {
  return isLabelled && tokens !== undefined ? [tokens] : labels.shape.slice(1);
}

function bytesOfRow({ dataType }: Column, shape: readonly number[]): number {
  return tensorBytes({ dataType, shape });
}

/** At most, all columns and what is beside them included. */
function bytesOf(contents: Contents, pass: Pass): number {
  const { columns, labels, extras } = contents;
  const others = [labels, ...Object.values(extras)];
  const ofInputs = columns.map((column) => bytesOfRow(column, shapeOfRow(contents, column, pass)));
  const ofOthers = others.reduce((sum, { rowBytes }) => sum + rowBytes, 0);
  const rowBytes = ofInputs.reduce((sum, bytes) => sum + bytes, ofOthers);
  const gaps = ALIGNMENT * (columns.length + others.length);
  return (pass.end - pass.start) * rowBytes + gaps + MICRO_BATCH_BYTES;
}
