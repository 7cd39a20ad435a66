// Messages to a support desk, made up from parts, and their words as counts: enough of a text classifier to show what an objective does, and small
// enough for a test. One message in ten asks for money back. Nothing here says how well anything works on real text.
import { toTensor } from '../../client/tensor.ts';
import { philox } from '../../server/noise/philox.ts';

/** Counts of words by hash: what the model reads. */
export const WORDS = 128;

const openings = ['hello', 'hi there', 'good morning', 'dear team', 'to whom it may concern', 'hey'];
const things = ['lamp', 'kettle', 'jacket', 'phone case', 'backpack', 'desk', 'headset', 'chair'];
const asking = [
  'i want my money back',
  'please refund the order',
  'i was charged twice, refund one of them',
  'send it back and return my money',
  'cancel it and refund me',
];
/** Words of the others too, used otherwise: no rule of single words gets all of them right. */
const others = [
  'thanks for the quick refund',
  'where is my order',
  'the money arrived, all is well',
  'can i change the colour',
  'when will it be back in stock',
  'it came back from repair and works',
  'how do i charge it',
  'i want another one, send me a link',
  'please cancel my newsletter',
];
const closings = ['thank you', 'best wishes', 'please answer soon', 'regards', 'cheers', ''];

/** In ten messages one asks; in fifty one was labelled by somebody in a hurry. */
const [ASKS, MISLABELLED] = [0.1, 0.02];

export type Messages = { readonly texts: readonly string[]; readonly labels: readonly (0 | 1)[] };

/** The same rows for the same seed. */
export function messages(rows: number, seed: number): Messages {
  const made = Array.from({ length: rows }, (_, row) => {
    const draws = [...philox([row, 0, 0, 0], [seed, 0]), ...philox([row, 1, 0, 0], [seed, 0])];
    const uniform = (which: number) => draws[which] / 2 ** 32;
    const pick = (list: readonly string[], which: number) => list[Math.floor(uniform(which) * list.length)];
    const asks = uniform(0) < ASKS;
    const [opening, thing, closing] = [pick(openings, 1), pick(things, 2), pick(closings, 3)];
    const text = `${opening}, about the ${thing}: ${pick(asks ? asking : others, 4)}. ${closing}`;
    return { text, label: asks === uniform(5) >= MISLABELLED ? (1 as const) : (0 as const) };
  });
  return { texts: made.map(({ text }) => text), labels: made.map(({ label }) => label) };
}

/** float32 `x` [rows, WORDS] and int64 `labels` [rows]. */
export function toTensors({ texts, labels }: Messages) {
  const counts = new Float32Array(texts.length * WORDS);
  for (const [row, text] of texts.entries())
    for (const word of text.toLowerCase().match(/[a-z]+/g) ?? []) counts[row * WORDS + hashOf(word)]++;
  return {
    x: toTensor(counts, [texts.length, WORDS]),
    labels: toTensor(BigInt64Array.from(labels, BigInt), [texts.length]),
  };
}

/** FNV-1a, 32 bits. */
function hashOf(word: string): number {
  let hash = 0x811c9dc5;
  for (const letter of word) hash = Math.imul(hash ^ letter.charCodeAt(0), 0x01000193) >>> 0;
  return hash % WORDS;
}
