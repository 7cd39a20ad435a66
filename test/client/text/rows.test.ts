// Files to rows.
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it, test } from 'vitest';
import { readRows } from '../../../client/text/rows.ts';
import { temporaryFolder } from '../../support/server-process.ts';

async function rowsIn(name: string, content: string) {
  await using folder = await temporaryFolder();
  await writeFile(join(folder.path, name), content);
  return await readRows(join(folder.path, name));
}

describe('rows, and where they are', () => {
  it('JSON lines: empty lines are counted', async () => {
    expect(await rowsIn('a.jsonl', '\uFEFF{"text": "x", "label": 1}\n\n{"text": "y"}')).toEqual([
      { place: 'a.jsonl:1', values: { text: 'x', label: 1 } },
      { place: 'a.jsonl:3', values: { text: 'y' } },
    ]);
  });

  it('CSV: quotes, line ends within them, and empty fields, which are none', async () => {
    expect(await rowsIn('a.csv', 'text,label\r\n"a ""b"",\nc",1\r\nd,\r\n')).toEqual([
      { place: 'a.csv:3', values: { text: 'a "b",\nc', label: '1' } },
      { place: 'a.csv:4', values: { text: 'd' } },
    ]);
    expect(await rowsIn('a.tsv', 'text\tlabel\n"x\ty"\t0\n')).toEqual([
      { place: 'a.tsv:2', values: { text: 'x\ty', label: '0' } },
    ]);
  });

  test.each(['none', 'snappy', 'gzip', 'brotli', 'zstd'])(
    'Parquet as Arrow writes it: %s',
    async (compression) => {
      const rows = await readRows(`test/client/text/parquet/${compression}.parquet`);
      expect(rows.map(({ values }) => [values.text ?? null, values.label ?? null])).toEqual([
        ['A quiet delight.', 1n],
        ['A dull story, badly told.', 0n],
        ['Größe zählt: 3 × 4', null],
        [null, 1n],
      ]);
      expect(rows.at(-1)!.place).toBe(`${compression}.parquet:4`);
    },
  );
});

describe('a file that cannot be read names the line', () => {
  test.each([
    ['a.jsonl', '{"text": "x"}\n{"text": ', /^a\.jsonl:2: expected a JSON object, got /],
    ['a.jsonl', '{"text": "x"}\n["x"]', /^a\.jsonl:2: expected a JSON object, got \["x"\]/],
    ['a.csv', 'text,label\n"x,1\n', /a\.csv: expected a readable file, got Quote Not Closed: .* line 2/],
    [
      'a.csv',
      'text,label\nx,1\ny,2,3\n',
      /a\.csv: expected a readable file, got Invalid Record Length: .* line 3/,
    ],
    ['a.parquet', 'PAR1 no more', /a\.parquet: expected a readable file, got /],
    ['a.jsonl', '\n', /a\.jsonl: expected rows, got none/],
    ['a.txt', 'x', /a\.txt: expected a file that ends in \.jsonl, /],
  ])('%s %j', async (name, content, message) => {
    await expect(rowsIn(name, content)).rejects.toThrow(message);
  });

  it('that is not there', async () => {
    await expect(readRows('nowhere/a.csv')).rejects.toThrow(
      /^nowhere\/a\.csv: expected a readable file, got ENOENT/,
    );
  });
});
