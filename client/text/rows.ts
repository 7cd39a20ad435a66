// Rows of a file, one after another: JSON lines, CSV, TSV or Parquet, by the file's ending.
import { extname } from 'node:path';
import { invalid } from '../../server/errors.ts';
import { readCsv } from './csv.ts';
import { readJsonLines } from './json-lines.ts';
import { readParquet } from './parquet.ts';

export type Row = {
  /** For messages: `train.jsonl:12`, a line, or `train.parquet:12`, a row; the first is 1. */
  readonly place: string;
  /** By column. */
  readonly values: Readonly<Record<string, unknown>>;
};

const readers: Readonly<Record<string, (file: string) => AsyncIterable<Row>>> = {
  '.jsonl': readJsonLines,
  '.ndjson': readJsonLines,
  '.csv': (file) => readCsv(file, ','),
  '.tsv': (file) => readCsv(file, '\t'),
  '.parquet': readParquet,
};

/**
 * Every row of the file.
 * @throws ZerothError invalid-argument naming the file and the line that cannot be read.
 */
export async function readRows(file: string): Promise<readonly Row[]> {
  const read = readers[extname(file).toLowerCase()];
  if (read === undefined)
    throw invalid(file, `a file that ends in ${Object.keys(readers).join(', ')}`, 'another');
  const rows = await Array.fromAsync(wellSaid(file, read(file)));
  if (rows.length === 0) throw invalid(file, 'rows', 'none');
  return rows;
}

async function* wellSaid(file: string, rows: AsyncIterable<Row>): AsyncIterable<Row> {
  try {
    yield* rows;
  } catch (error) {
    if (!(error instanceof Error) || error.name === 'ZerothError') throw error;
    throw invalid(file, 'a readable file', error.message);
  }
}
