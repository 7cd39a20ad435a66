// `zeroth train` of what cannot be trained.
import { readFileSync } from 'node:fs';
import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { afterAll, describe, expect, test } from 'vitest';
import { BERT, learning, model, prepareReviews, reviews, zerothTrain } from './train-cases.ts';

const folder = await prepareReviews();
const { at, train, writeRows } = folder;
afterAll(() => folder[Symbol.asyncDispose]());

describe('what is wrong is named, and nothing is written', async () => {
  await mkdir(at('other'));
  const other = JSON.parse(readFileSync(`${BERT}/tokenizer.json`, 'utf8'));
  const flags = { special: false, normalized: false, lstrip: false, rstrip: false, single_word: false };
  other.added_tokens.push({ id: 500, content: 'film', ...flags });
  await writeFile(at('other/tokenizer.json'), JSON.stringify(other));
  const noLabel = await writeRows(
    'no-label.jsonl',
    reviews(60, 0).map((row, i) => (i === 6 ? { text: row.text } : row)),
  );
  const unknownLabel = await writeRows('unknown.jsonl', [{ text: 'So so.', label: 'mixed' }]);

  test.each<[string, string[], number, string]>([
    [
      'a row without a label',
      ['--data', noLabel],
      4,
      'no-label.jsonl:7: expected a value for "label", got a row with text',
    ],
    [
      'a row of Parquet without a label',
      ['--data', 'test/client/text/parquet/zstd.parquet', '--batch-size', '2'],
      4,
      'zstd.parquet:3: expected a value for "label", got null',
    ],
    [
      'a prompt that leaves no position for rows',
      ['--prompt-tokens', '60', '--prefix-tokens', '4'],
      4,
      "--prompt-tokens: expected fewer tokens than the model's 64 positions, got 64",
    ],
    [
      'a prefix of a model without a past',
      ['--prefix-tokens', '4'],
      4,
      'prefix: expected a model with inputs for a past',
    ],
    [
      'a column that is not there',
      ['--label', 'verdict'],
      4,
      'train.jsonl:1: expected a value for "verdict", got a row with text, label',
    ],
    [
      'a label that nothing is trained on',
      ['--eval', unknownLabel],
      4,
      'unknown.jsonl:1: expected a label among neg, pos, got "mixed"',
    ],
    [
      "another model's tokenizer",
      ['--tokenizer', at('other')],
      4,
      'train.jsonl:1: expected tokens of a vocabulary of 280, as the model has embeddings, got token 500, "film"',
    ],
    [
      'a folder without a tokenizer',
      ['--tokenizer', folder.path],
      4,
      '--tokenizer: expected a folder with a readable',
    ],
    [
      'rows longer than the model has positions',
      ['--max-length', '5000'],
      4,
      "--max-length: expected at most the model's 64 positions, got 5000",
    ],
    [
      'adapters that are no smaller than what they adapt',
      ['--lora-rank', '999'],
      4,
      '--lora-rank: expected an integer from 1 to 32, the smaller side of "',
    ],
    [
      'a model that is not there',
      ['--model', at('no.onnx')],
      4,
      '--model: expected an ONNX file, or a folder with one, got',
    ],
    [
      'a task that the model is not for',
      ['--task', 'causal-lm'],
      4,
      "--task: expected classification, since the model's logits is [-1, 2], got causal-lm",
    ],
    [
      'more rows a batch than there are',
      ['--batch-size', '61'],
      4,
      '--batch-size: expected at most the 60 rows of',
    ],
    [
      'a folder to write to that is not there',
      ['--out', at('no/tuned.onnx')],
      4,
      '--out: expected a file in a folder that can be written to',
    ],
    [
      'an unknown task',
      ['--task', 'classify'],
      2,
      '--task: expected one of classification, causal-lm, masked-lm, got "classify"',
    ],
    [
      'an option that the strategy does not have',
      ['--set', 'q=10'],
      2,
      '--set: expected an option among learning_rate, epsilon, directions, weight_decay, decay_every, schedule.kind',
    ],
    [
      'a flag that the strategy does not have',
      ['--strategy', 'es', '--directions', '3'],
      2,
      '--directions: expected a strategy that has it, got es',
    ],
    [
      'an option that is no number',
      ['--strategy', 'mezo-svrg', '--set', 'anchor_rows=many'],
      2,
      '--set anchor_rows: expected a whole number of 1 or more, got "many"',
    ],
    [
      'an option out of range',
      ['--strategy', 'mezo-svrg', '--set', 'annealing.window=5', '--set', 'annealing.factor=1'],
      2,
      '--set annealing.factor: expected a finite number above 1, got 1',
    ],
    [
      'a rate that the strategy calls otherwise',
      ['--strategy', 'spsa', '--set', 'c=0.1'],
      2,
      '--learning-rate: expected a strategy that has it, got spsa',
    ],
    ['an option without a value', ['--set', 'q'], 2, '--set: expected OPTION=VALUE, as q=10, got "q"'],
    ['an unknown flag', ['--step', '3'], 2, "unknown option '--step' (Did you mean --steps?)"],
    ['two budgets', ['--examples', '3'], 2, '--examples: expected one of --steps and --examples, got both'],
  ])('%s', async (_, args, wanted, message) => {
    const before = await readdir(folder.path);
    const files = ['--data', train, '--out', at('wrong.onnx')];
    const { code, stdout, stderr } = await zerothTrain(...model, ...learning, ...files, ...args);
    expect([code, stdout, stderr]).toEqual([wanted, '', expect.stringContaining(`zeroth train: ${message}`)]);
    expect(await readdir(folder.path)).toEqual(before);
  });
});
