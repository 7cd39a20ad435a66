// What tests of `zeroth train` share: reviews to train on, a model for them, and how well a file does.
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { openTokenizer } from '../../../client/text/tokenizer.ts';
import { temporaryFolder } from '../../support/server-process.ts';
import { LANGUAGE } from './command-server.ts';
import { zeroth } from './zeroth-process.ts';

export const BERT = `${LANGUAGE}/tokenizers/bert`;
export const model = ['--model', `${LANGUAGE}/distilbert-classification.onnx`, '--tokenizer', BERT];
export const learning = ['--learning-rate', '1e-3', '--steps', '40'];

type Review = { readonly text: string; readonly label: unknown };

const words = [
  ['dull', 'a waste', 'badly told', 'loud and grey'],
  ['wonderful', 'a quiet delight', 'very funny', 'the best'],
] as const;

export function reviews(count: number, offset: number): Review[] {
  return Array.from({ length: count }, (_, i) => {
    const [side, noun] = [(i * 7 + offset) % 2, ['film', 'story', 'cast', 'music', 'show'][(i + offset) % 5]];
    return { text: `The ${noun} was ${words[side][(i >> 1) % 4]}.`, label: side === 1 ? 'pos' : 'neg' };
  });
}

/** A folder with rows to train on and rows held out. */
export async function prepareReviews() {
  const folder = await temporaryFolder();
  const at = (name: string) => join(folder.path, name);
  const writeRows = async (name: string, rows: readonly object[]): Promise<string> => {
    await writeFile(at(name), rows.map((row) => `${JSON.stringify(row)}\n`).join(''));
    return at(name);
  };
  const train = await writeRows('train.jsonl', reviews(60, 0));
  const held = await writeRows('held.jsonl', reviews(30, 1));
  return { ...folder, at, writeRows, train, held };
}

export function zerothTrain(...args: readonly string[]) {
  return zeroth('train', ...args);
}

/** Row by row, without padding and without Zeroth. */
export async function plainAccuracy(file: string, rows: readonly Review[]): Promise<number> {
  const tokenizer = await openTokenizer(BERT);
  const session = await InferenceSession.create(file);
  let right = 0;
  for (const { text, label } of rows) {
    const ids = BigInt64Array.from(tokenizer.encode(text).ids, BigInt);
    const input_ids = new Tensor('int64', ids, [1, ids.length]);
    const attention_mask = new Tensor(
      'int64',
      ids.map(() => 1n),
      [1, ids.length],
    );
    const { logits } = await session.run({ input_ids, attention_mask });
    const [neg, pos] = logits.data as Float32Array;
    if (pos > neg === (label === 'pos')) right++;
  }
  await session.release();
  return right / rows.length;
}
