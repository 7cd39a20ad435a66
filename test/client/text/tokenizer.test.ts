// Tokens are those of Hugging Face's own tokenizers: of the exporters' fixtures and of encodings.json (encodings.py).
import { readdirSync, readFileSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { describe, expect, it, test } from 'vitest';
import { tokenizeRows } from '../../../client/text/tokenize.ts';
import { openTokenizer } from '../../../client/text/tokenizer.ts';
import { temporaryFolder } from '../../support/server-process.ts';
import { int64sOf, LANGUAGE, rowsOf } from './rows.ts';

type Fixture = {
  readonly batch: {
    readonly tokenizer: string;
    readonly texts: readonly string[];
    readonly input_ids: readonly (readonly number[])[];
    readonly attention_mask: readonly (readonly number[])[];
  };
};

type Case = {
  readonly text: string;
  readonly pair?: string;
  readonly maxLength?: number;
  readonly ids: readonly number[];
  readonly typeIds: readonly number[];
};

const fixtures = readdirSync(LANGUAGE).filter((name) => name.endsWith('.json'));
const encodings = JSON.parse(readFileSync('test/client/text/encodings.json', 'utf8')) as Record<
  string,
  Case[]
>;

describe('ids and masks of a batch', () => {
  test.each(fixtures)('%s', async (name) => {
    const { batch } = JSON.parse(readFileSync(`${LANGUAGE}/${name}`, 'utf8')) as Fixture;
    const tokenizer = await openTokenizer(`${LANGUAGE}/${batch.tokenizer}`);
    const rows = rowsOf(batch.texts.map((text) => ({ text })));
    const { tensors } = tokenizeRows(rows, { tokenizer, task: { kind: 'causal-lm' } });
    // Of a masked model the batch has what the masks hide.
    if (!name.includes('mlm')) expect(int64sOf(tensors.input_ids)).toEqual(batch.input_ids);
    expect(int64sOf(tensors.attention_mask)).toEqual(batch.attention_mask);
  });
});

describe.each(Object.entries(encodings))('texts and pairs, whole and cut: %s', (name, cases) => {
  test.each(cases)('$text / $pair, $maxLength', async ({ ids, typeIds, text, ...options }) => {
    const tokenizer = await openTokenizer(`${LANGUAGE}/tokenizers/${name}`);
    const { maxLength } = options;
    const isTruncated = maxLength !== undefined && ids.length === maxLength;
    expect(tokenizer.encode(text, options)).toEqual({ ids, typeIds, isTruncated });
  });
});

describe('a folder', () => {
  it('needs tokenizer.json alone: padding and mask go by their usual names', async () => {
    await using folder = await temporaryFolder();
    const source = `${LANGUAGE}/tokenizers/roberta`;
    await writeFile(`${folder.path}/tokenizer.json`, readFileSync(`${source}/tokenizer.json`));
    const [alone, configured] = [await openTokenizer(folder.path), await openTokenizer(source)];
    expect([alone.padId, alone.maskId, alone.lengthMax]).toEqual([1, 4, undefined]);
    expect([configured.padId, configured.maskId, configured.lengthMax]).toEqual([1, 4, 64]);
  });

  it('without one, or with another file under its name, is refused by that name', async () => {
    await using folder = await temporaryFolder();
    await expect(openTokenizer(folder.path)).rejects.toThrow(
      /tokenizer: expected a folder with a readable .*tokenizer\.json/,
    );
    await mkdir(`${folder.path}/other`);
    await writeFile(`${folder.path}/other/tokenizer.json`, '{"model": {}}');
    await expect(openTokenizer(`${folder.path}/other`)).rejects.toThrow(
      /as the library tokenizers writes it/,
    );
  });
});
