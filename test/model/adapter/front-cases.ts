// What tests of prompts and prefixes share: the fixtures of language models, and rows of real tokens for them.
import { readFileSync } from 'node:fs';
import { expect } from 'vitest';
import type { PromptOptions } from '../../../server/model/adapter/prompt.ts';
import type { ModelGraph } from '../../../server/model/graph/graph.ts';
import { scoresOf, type Tensor, type TensorSpec } from '../../../server/tensor.ts';
import { createSession } from '../../support/sessions.ts';
import { floats, int64 } from '../models.ts';
import { fileOf } from './lora-cases.ts';

const FOLDER = 'test/fixtures/language';

export const fixtures = [
  'distilbert-classification',
  'distilbert-classification-int8',
  'roberta-classification',
  'roberta-classification-fp16',
  'roberta-mlm',
  'gpt2',
  'gpt2-past',
  'opt',
  'llama-external',
  'llama-int4',
  'llama-merged',
  'llama-past',
  'qwen2-dynamo',
] as const;

export const fixturesWithPast = ['gpt2-past', 'llama-past', 'llama-merged'] as const;

export type Rows = readonly (readonly number[])[];

export type FixtureBatch = {
  readonly input_ids: Rows;
  readonly attention_mask: Rows;
  readonly labels: Rows | readonly number[];
};

/** Texts of different lengths, padded on the right. */
export function batchOf(name: string): FixtureBatch {
  return (JSON.parse(readFileSync(`${FOLDER}/${name}.json`, 'utf8')) as { batch: FixtureBatch }).batch;
}

/** The same rows with these tokens in front of each. */
export function behind(tokens: readonly number[], { input_ids, attention_mask, labels }: FixtureBatch) {
  const ones = tokens.map(() => 1);
  return {
    input_ids: input_ids.map((row) => [...tokens, ...row]),
    attention_mask: attention_mask.map((row) => [...ones, ...row]),
    labels,
  };
}

/**
 * What a file wants of these rows, in a plain session that fills nothing in: positions count from the first token, a past is empty.
 */
export function feedsOf(
  inputs: ModelGraph['inputs'],
  { input_ids, attention_mask }: Pick<FixtureBatch, 'input_ids' | 'attention_mask'>,
): Record<string, Tensor> {
  const shape = [input_ids.length, input_ids[0].length];
  const positions = attention_mask.flatMap((mask) => {
    let seen = 0;
    return mask.map((entry) => (entry === 0 ? 1 : seen++));
  });
  const known: Record<string, Tensor> = {
    input_ids: int64(shape, input_ids.flat()),
    attention_mask: int64(shape, attention_mask.flat()),
    position_ids: int64(shape, positions),
    token_type_ids: int64(shape, new Array(positions.length).fill(0)),
    use_cache_branch: { dataType: 'bool', shape: [1], data: new Uint8Array(1) },
  };
  return Object.fromEntries(
    inputs.map((input) => [input.name, known[input.name] ?? emptyPast(input, shape[0])]),
  );
}

function emptyPast({ dataType, shape }: TensorSpec, rows: number): Tensor {
  const sizes = shape.map((size, i) => (i === 0 ? rows : Math.max(0, size)));
  return { dataType, shape: sizes, data: new Uint8Array(0) };
}

export const TOKENS = [30, 7, 100, 41];
export const REAL: PromptOptions = { tokens: TOKENS.length, initTokens: TOKENS, seed: 0n };
export const DRAWN: PromptOptions = { tokens: 3, initTokens: [], seed: 7n };

export async function run(file: Uint8Array, { inputs, outputs }: ModelGraph, batch: FixtureBatch) {
  const session = await createSession(file);
  const results = await session.run(
    feedsOf(inputs, batch),
    outputs.map(({ name }) => name),
  );
  await session.release();
  return results;
}

/** Scores of rows, or of those of their tokens that the mask shows, behind the first `from`. */
export function seen(output: Tensor, { attention_mask }: FixtureBatch, from = 0): number[] {
  const scores = [...scoresOf(output)];
  const [, width, size] = output.shape;
  if (output.shape.length === 2) return scores;
  return attention_mask.flatMap((mask, row) =>
    mask.flatMap((shown, i) => {
      const at = (row * width + from + i) * size;
      return shown === 0 ? [] : scores.slice(at, at + size);
    }),
  );
}

export function expectClose(got: readonly number[], wanted: readonly number[]): void {
  expect(got).toHaveLength(wanted.length);
  const largest = Math.max(...wanted.map(Math.abs));
  expect(largest).toBeGreaterThan(0.1);
  expect(Math.max(...got.map((value, i) => Math.abs(value - wanted[i])))).toBeLessThan(1e-5 * largest);
}

/** What the file's own graph keeps of these tokens for those to come, as values of a prefix. */
export async function pastOf(graph: ModelGraph, tokens: readonly number[], tensors: readonly string[]) {
  const one = { input_ids: [tokens], attention_mask: [tokens.map(() => 1)], labels: [] };
  const presents = await run(fileOf(graph), graph, one);
  const presentOf = (name: string) => presents[name.replace(/^prefix/, 'present')];
  return new Map(tensors.map((name) => [name, floats(presentOf(name))]));
}
