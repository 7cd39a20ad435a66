// JSON lines: an object a line. Lines without anything are passed over, and counted.
import { open } from 'node:fs/promises';
import { basename } from 'node:path';
import { invalid } from '../../server/errors.ts';
import type { Row } from './rows.ts';

export async function* readJsonLines(file: string): AsyncIterable<Row> {
  await using handle = await open(file);
  let line = 0;
  for await (const text of handle.readLines()) {
    line++;
    const place = `${basename(file)}:${line}`;
    if (text.trim() !== '')
      yield { place, values: parse(place, line === 1 ? text.replace(/^\uFEFF/, '') : text) };
  }
}

function parse(place: string, text: string): Row['values'] {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw invalid(place, 'a JSON object', error instanceof Error ? error.message : String(error));
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw invalid(place, 'a JSON object', text.slice(0, 40));
  return value as Row['values'];
}
