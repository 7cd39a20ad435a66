// The named tensors of a batch before rows are chosen: inline, or those of a dataset.
import { counted, invalid } from '../../errors.ts';
import { checkTensor, describe, type Tensor, type TensorSpec, tensorBytes } from '../../tensor.ts';

/** Columns of a dataset by name, in memory that threads share. */
type SharedColumns = ReadonlyMap<string, { readonly spec: TensorSpec; readonly data: SharedArrayBuffer }>;

/** Which rows of a dataset: all, some in any order, or [start, end). */
export type RowSelection =
  | { readonly kind: 'all' }
  | { readonly kind: 'rows'; readonly indices: readonly number[] }
  | { readonly kind: 'range'; readonly start: number; readonly end: number };

export type BatchSource =
  | { readonly kind: 'inline'; readonly tensors: ReadonlyMap<string, Tensor> }
  | { readonly kind: 'dataset'; readonly columns: SharedColumns; readonly rows: RowSelection };

/** A tensor with all the rows that the source has for it. */
export type Column = Tensor & {
  readonly name: string;
  /** Where the client finds it, for error messages. */
  readonly field: string;
  readonly rowBytes: number;
  /** Makes the first bytes of a row of a column that nobody sent (fill-in.ts); there is no `data` then. */
  readonly fill?: (row: number, into: Uint8Array) => void;
  /** Of one that nobody sent: whether it counts the tokens of a row, so that what it comes to is of the tokens' making. */
  readonly isCounted?: boolean;
};

export function hasColumn(source: BatchSource, name: string): boolean {
  return (source.kind === 'inline' ? source.tensors : source.columns).has(name);
}

/** @throws ZerothError where the source has no tensor of this name, or one without rows. */
export function findColumn(source: BatchSource, name: string, role: string): Column {
  const tensor = source.kind === 'inline' ? source.tensors.get(name) : sharedTensor(source.columns, name);
  const place = source.kind === 'inline' ? 'batch.inline.tensors' : 'batch.dataset';
  if (tensor === undefined) {
    const names = [...(source.kind === 'inline' ? source.tensors : source.columns).keys()];
    throw invalid(
      place,
      `a tensor "${name}" (${role})`,
      names.map((each) => `"${each}"`).join(', ') || 'none',
    );
  }
  const field = `${place}["${name}"]`;
  checkTensor(tensor, field);
  const { dataType, shape, data } = tensor;
  if (shape.length === 0) throw invalid(field, 'rows along a first dimension', describe(tensor));
  return { name, field, dataType, shape, data, rowBytes: data.byteLength / shape[0] };
}

function sharedTensor(columns: SharedColumns, name: string): Tensor | undefined {
  const column = columns.get(name);
  return column && { ...column.spec, data: new Uint8Array(column.data, 0, tensorBytes(column.spec)) };
}

/** Every row against what the model declares; an empty shape there is one that is not known. */
export function checkInput(column: Column, input: TensorSpec): void {
  const shape = input.shape.length === 0 ? column.shape : [-1, ...input.shape.slice(1)];
  const fits =
    column.dataType === input.dataType &&
    column.shape.length === shape.length &&
    shape.every((dimension, i) => dimension === -1 || dimension === column.shape[i]);
  if (!fits) throw invalid(column.field, describe({ dataType: input.dataType, shape }), describe(column));
}

/** @returns the number of rows that all columns have. */
export function commonRows(columns: readonly Column[]): number {
  const [first, ...others] = columns;
  const rows = first.shape[0];
  for (const other of others)
    if (other.shape[0] !== rows)
      throw invalid(other.field, `${counted(rows, 'row')}, as "${first.name}" has`, String(other.shape[0]));
  if (rows === 0) throw invalid(first.field, 'at least one row', '0');
  return rows;
}
