// CSV (RFC 4180) with a line of column names.
import { open } from 'node:fs/promises';
import { basename } from 'node:path';
import { pipeline } from 'node:stream';
import { parse } from 'csv-parse';
import type { Row } from './rows.ts';

type Parsed = { readonly record: Record<string, string>; readonly info: { readonly lines: number } };

/** A row's place is the line where it ends; an empty field counts as left out. */
export async function* readCsv(file: string, delimiter: string): AsyncIterable<Row> {
  await using handle = await open(file);
  const options = { bom: true, columns: true, delimiter, info: true, skip_empty_lines: true } as const;
  // An error of either ends the loop; there is nothing else to do about it.
  const rows = pipeline(handle.createReadStream({ autoClose: false }), parse(options), () => {});
  for await (const { record, info } of rows as AsyncIterable<Parsed>) {
    const values = Object.fromEntries(Object.entries(record).filter(([, value]) => value !== ''));
    yield { place: `${basename(file)}:${info.lines}`, values };
  }
}
