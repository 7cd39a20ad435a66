// The rows of prepare.ts as tensors, tokenized as `zeroth train --max-length 64` does it.
import { fileURLToPath } from 'node:url';
import { classesOf } from '../../client/text/labels.ts';
import { readRows } from '../../client/text/rows.ts';
import { type TokenTable, tokenizeRows } from '../../client/text/tokenize.ts';
import { openTokenizer } from '../../client/text/tokenizer.ts';

export const DATA = fileURLToPath(new URL('data/', import.meta.url));
export const MODEL = 'model.onnx';
export const MODEL_FOLDER = `${DATA}model`;
export const CLASSES = 2;

const TOKENS_MAX = 64;

export type Letters = { readonly train: TokenTable; readonly held: TokenTable };

export async function readLetters(): Promise<Letters> {
  const tokenizer = await openTokenizer(MODEL_FOLDER);
  const [train, held] = [await tensorsOf('train'), await tensorsOf('held-out')];
  return { train, held };

  async function tensorsOf(name: string): Promise<TokenTable> {
    const rows = await readRows(`${DATA}${name}.jsonl`);
    const classes = classesOf(rows.map(({ place, values }) => ({ place, value: values.label })));
    const task = { kind: 'classification', classes } as const;
    return tokenizeRows(rows, { tokenizer, task, maxLength: TOKENS_MAX, hasTypeIds: true });
  }
}
