// Rows to tensors, by task.
import { describe, expect, it, test } from 'vitest';
import { classesOf } from '../../../client/text/labels.ts';
import { type TextOptions, tokenizeRows } from '../../../client/text/tokenize.ts';
import { openTokenizer } from '../../../client/text/tokenizer.ts';
import { int64sOf, LANGUAGE, rowsOf } from './rows.ts';

const [bert, gpt2] = await Promise.all(
  ['bert', 'gpt2'].map((name) => openTokenizer(`${LANGUAGE}/tokenizers/${name}`)),
);

function classification(rows: ReturnType<typeof rowsOf>, options: Partial<TextOptions> = {}) {
  const classes = classesOf(rows.map(({ place, values }) => ({ place, value: values.label })));
  return tokenizeRows(rows, { tokenizer: bert, task: { kind: 'classification', classes }, ...options });
}

describe('classification', () => {
  it('has a class a row; padding is to the longest row, or to a length', () => {
    const rows = rowsOf([
      { text: 'A quiet delight.', label: 1 },
      { text: 'It was late.', label: '0' },
    ]);
    const { tensors, length } = classification(rows);
    expect(Object.keys(tensors)).toEqual(['input_ids', 'attention_mask', 'labels']);
    expect(int64sOf(tensors.labels)).toEqual([1, 0]);
    expect(tensors.input_ids.shape).toEqual([2n, BigInt(length)]);
    const padded = classification(rows, { maxLength: 20, padding: 'max-length' });
    expect(int64sOf(padded.tensors.attention_mask)[0]).toEqual([...Array(8).fill(1), ...Array(12).fill(0)]);
    expect(padded.truncated).toBe(0);
  });

  it('takes a second text, with types where the model has them, and a template', () => {
    const rows = rowsOf([{ premise: 'It was late.', text: 'no', label: 0 }]);
    const { tensors } = classification(rows, {
      columns: { text: 'premise', pair: 'text' },
      hasTypeIds: true,
    });
    const { ids, typeIds } = bert.encode('It was late.', { pair: 'no' });
    expect(int64sOf(tensors.input_ids)).toEqual([ids]);
    expect(int64sOf(tensors.token_type_ids)).toEqual([typeIds]);
    const prompted = classification(rows, { columns: { template: '{premise} {text}: {{it}} was [MASK].' } });
    expect(int64sOf(prompted.tensors.input_ids)).toEqual([
      bert.encode('It was late. no: {it} was [MASK].').ids,
    ]);
  });

  it('texts as labels are classes as they sort, or as the model has them', () => {
    const labels = ['pos', 'neg', 'pos'].map((value, i) => ({ place: `rows:${i + 1}`, value }));
    expect(classesOf(labels).names).toEqual(['neg', 'pos']);
    const classes = classesOf(labels, { names: ['pos', 'neutral', 'neg'] });
    expect(labels.map((label) => classes.indexOf(label))).toEqual([0, 2, 0]);
    expect(() => classes.indexOf({ place: 'held-out.csv:7', value: 'bad' })).toThrow(
      'held-out.csv:7: expected a label among pos, neutral, neg, got "bad"',
    );
    expect(() => classesOf(labels, { count: 1 })).toThrow(
      "labels: expected at most the model's 1 classes, got 2: neg, pos",
    );
    expect(() =>
      classesOf([{ place: 'a:1', value: 3n }], { count: 2 }).indexOf({ place: 'a:1', value: 3n }),
    ).toThrow('a:1: expected a class from 0 to 1, got 3');
  });
});

describe('causal-lm', () => {
  it('learns every token, and none of the padding, even where padding is a token too', () => {
    const rows = rowsOf([{ text: 'It was late.<|endoftext|>' }, { text: 'It was.' }]);
    const { tensors } = tokenizeRows(rows, { tokenizer: gpt2, task: { kind: 'causal-lm' } });
    const [long, short] = int64sOf(tensors.input_ids) as number[][];
    const count = gpt2.encode('It was.').ids.length;
    expect(int64sOf(tensors.labels)).toEqual([long, short.map((id, i) => (i < count ? id : -100))]);
    expect(long.at(-1)).toBe(gpt2.padId);
  });

  test.each([
    ['great', 'A quiet delight. It was '],
    // The space belongs to this word's first token.
    ['the end', 'A quiet delight. It was'],
  ])('with a label in the template learns what follows the prompt: %s', (label, prompt) => {
    const rows = rowsOf([{ text: 'A quiet delight.', label }]);
    const columns = { template: '{text} It was {label}.' };
    const { tensors } = tokenizeRows(rows, { tokenizer: gpt2, task: { kind: 'causal-lm' }, columns });
    const { ids } = gpt2.encode(`A quiet delight. It was ${label}.`);
    const given = gpt2.encode(prompt).ids.length;
    expect(int64sOf(tensors.input_ids)).toEqual([ids]);
    expect(int64sOf(tensors.labels)).toEqual([ids.map((id, i) => (i < given ? -100 : id))]);
  });
});

describe('masked-lm', () => {
  const sentence = 'The best thing about the show was the walk home. ';

  it('masks 15 % of a row, at least one token, never a special one; a seed decides', () => {
    const rows = rowsOf([{ text: 'late' }, { text: sentence }]);
    const tables = [1n, 1n, 2n].map((seed) =>
      tokenizeRows(rows, { tokenizer: bert, task: { kind: 'masked-lm', seed } }),
    );
    const [first, same, other] = tables.map(({ tensors }) => int64sOf(tensors.labels) as number[][]);
    const learned = (row: readonly number[]) => row.filter((label) => label !== -100).length;
    const { ids } = bert.encode(sentence);
    expect(learned(first[0])).toBe(1);
    expect(learned(first[1])).toBe(Math.round(0.15 * (ids.length - 2)));
    first[1].forEach((label, i) => {
      if (label !== -100) expect([label, bert.specialIds.has(label)]).toEqual([ids[i], false]);
    });
    expect(first).toEqual(same);
    expect(first).not.toEqual(other);
  });

  it('of what it masks 80 % become the mask, 10 % another token, 10 % stay', () => {
    const rows = rowsOf(Array.from({ length: 400 }, () => ({ text: sentence.repeat(3) })));
    const { tensors } = tokenizeRows(rows, { tokenizer: bert, task: { kind: 'masked-lm', seed: 7n } });
    const [ids, labels] = [tensors.input_ids, tensors.labels].map((tensor) => int64sOf(tensor).flat());
    const masked = ids.flatMap((id, i) =>
      labels[i] === -100 ? [] : [id === bert.maskId ? 'mask' : id === labels[i] ? 'same' : 'other'],
    );
    const share = (what: string) => masked.filter((each) => each === what).length / masked.length;
    expect(masked.length).toBeGreaterThan(2000);
    expect(Math.abs(share('mask') - 0.8)).toBeLessThan(0.03);
    expect(Math.abs(share('same') - 0.1)).toBeLessThan(0.02);
    expect(Math.abs(share('other') - 0.1)).toBeLessThan(0.02);
  });
});

describe('a row that does not do is named', () => {
  const good = { text: 'A quiet delight.', label: 1 };
  const long = { text: 'It was late. '.repeat(30), label: 1 };
  test.each<[string, Record<string, unknown>, Partial<TextOptions>, RegExp]>([
    ['without a label', { text: 'x' }, {}, /^rows:2: expected a value for "label", got a row with text$/],
    [
      'with null for a label',
      { text: 'x', label: null },
      {},
      /^rows:2: expected a value for "label", got null$/,
    ],
    ['without the text', { label: 1 }, {}, /^rows:2: expected a value for "text", got a row with label$/],
    ['with a list as its text', { text: ['x'], label: 1 }, {}, /^rows:2: text: expected a text, got a list$/],
    [
      'beyond the positions',
      long,
      {},
      /^rows:2: expected at most the model's 64 positions, .*, got \d+ tokens$/,
    ],
    [
      'beyond the vocabulary',
      good,
      { model: { vocabularySize: 20 } },
      /^rows:1: expected tokens of a vocabulary of 20, .*, got token \d+, ".*": this tokenizer is another model's$/,
    ],
    [
      'a column for the template',
      good,
      { columns: { template: '{verdict}' } },
      /^rows:1: expected a value for "verdict"/,
    ],
    ['half a brace', good, { columns: { template: '{text' } }, /^template: expected names in braces/],
    [
      'a length beyond the positions',
      good,
      { maxLength: 65 },
      /^maxLength: expected at most the model's 64 positions, got 65$/,
    ],
    [
      'no room for text',
      good,
      { maxLength: 2 },
      /^maxLength: expected at least 3, with special tokens, got 2$/,
    ],
  ])('%s', (_, row, options, message) => {
    const classes = classesOf([{ place: 'rows:1', value: 1 }]);
    const task = { kind: 'classification', classes } as const;
    expect(() => tokenizeRows(rowsOf([good, row]), { tokenizer: bert, task, ...options })).toThrow(message);
  });

  it('with nothing left to learn', () => {
    const rows = rowsOf([{ text: 'A quiet delight.', label: 'great' }]);
    const columns = { template: '{text} It was {label}.' };
    const options = { tokenizer: gpt2, task: { kind: 'causal-lm' }, columns, maxLength: 5 } as const;
    expect(() => tokenizeRows(rows, options)).toThrow(
      'rows:1: expected a token to learn, got none among 5 tokens: the maximum length cut off what was to be learned',
    );
    expect(() => tokenizeRows(rows, { tokenizer: gpt2, task: { kind: 'masked-lm', seed: 1n } })).toThrow(
      'tokenizer: expected a mask token, for masked-lm, got none',
    );
  });
});
