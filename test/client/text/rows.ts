// Rows as a test writes them down, and tensors as it reads them.
import type { Row } from '../../../client/text/rows.ts';
import type { Tensor } from '../../../proto/gen/zeroth/v1/common.ts';

export const LANGUAGE = 'test/fixtures/language';

export function rowsOf(values: readonly Row['values'][]): Row[] {
  return values.map((each, i) => ({ place: `rows:${i + 1}`, values: each }));
}

/** A matrix by rows; a vector as it is. */
export function int64sOf({ shape, data }: Tensor): number[] | number[][] {
  const values = [...new BigInt64Array(Uint8Array.from(data).buffer)].map(Number);
  if (shape.length === 1) return values;
  const [rows, length] = shape.map(Number);
  return Array.from({ length: rows }, (_, row) => values.slice(row * length, (row + 1) * length));
}
