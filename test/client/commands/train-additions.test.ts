// `zeroth train` of what is added to a model: adapters, a head, a prompt, a prefix.
import { writeFile } from 'node:fs/promises';
import { InferenceSession } from 'onnxruntime-node';
import { afterAll, describe, expect, it } from 'vitest';
import { encoderOf } from '../../model/adapter/head-cases.ts';
import { LANGUAGE } from './command-server.ts';
import { BERT, learning, model, plainAccuracy, prepareReviews, reviews, zerothTrain } from './train-cases.ts';

const folder = await prepareReviews();
const { at, train, held, writeRows } = folder;
afterAll(() => folder[Symbol.asyncDispose]());

describe('a server of its own', () => {
  it('trains adapters, and merges them; puts a head behind a model that has none', async () => {
    const out = at('adapted.onnx');
    const rows = ['--data', train, '--eval', held, '--out', out, '--json'];
    const rate = ['--learning-rate', '1e-2', '--steps', '40'];
    const adapted = await zerothTrain(...model, ...rows, ...rate, '--lora-rank', '2', '--merge');
    expect([adapted.code, adapted.stderr]).toEqual([0, expect.stringContaining('step 40')]);
    const summary = JSON.parse(adapted.stdout);
    expect(summary.additions).toEqual({ lora: { rank: 2, alpha: 16, isMerged: true } });
    expect(await plainAccuracy(out, reviews(30, 1))).toBeCloseTo(summary.evaluations.at(-1).accuracy, 9);

    await writeFile(at('encoder.onnx'), encoderOf('distilbert-classification'));
    const encoder = ['--model', at('encoder.onnx'), '--tokenizer', BERT];
    const headless = await zerothTrain(...encoder, ...rows, ...learning);
    expect([headless.code, headless.stderr]).toEqual([
      4,
      expect.stringContaining('--task: expected causal-lm or masked-lm (or a new --head)'),
    ]);
    const headed = await zerothTrain(...encoder, ...rows, ...learning, '--head', 'mean');
    expect([headed.code, headed.stderr]).toEqual([
      0,
      expect.stringMatching(/^step 40 +train loss .*, accuracy /m),
    ]);
  });

  it('trains a prompt in front of every row, of which the file has the weights as they were', async () => {
    const out = at('prompted.onnx');
    const rows = ['--data', train, '--eval', held, '--out', out, '--json'];
    const rate = ['--learning-rate', '1e-2', '--steps', '40'];
    const prompted = await zerothTrain(...model, ...rows, ...rate, '--prompt-tokens', '4');
    expect([prompted.code, prompted.stderr]).toEqual([0, expect.stringContaining('step 40')]);
    const summary = JSON.parse(prompted.stdout);
    expect(summary.additions).toEqual({ promptTokens: 4 });
    expect(summary.evaluations.at(-1).trainLoss).toBeLessThan(summary.evaluations[1].trainLoss);
    expect(await plainAccuracy(out, reviews(30, 1))).toBeCloseTo(summary.evaluations.at(-1).accuracy, 9);

    const texts = await writeRows('prefixed.jsonl', [{ text: 'It was late.' }, { text: 'The walk home.' }]);
    const causal = [
      ...['--model', `${LANGUAGE}/llama-past.onnx`, '--tokenizer', `${LANGUAGE}/tokenizers/gpt2`],
      ...['--task', 'causal-lm', '--data', texts, '--batch-size', '2', '--out', at('prefixed.onnx')],
    ];
    const prefixed = await zerothTrain(...causal, ...rate, '--prefix-tokens', '3', '--json');
    expect([prefixed.code, JSON.parse(prefixed.stdout).additions]).toEqual([0, { prefixTokens: 3 }]);
    const { inputNames } = await InferenceSession.create(at('prefixed.onnx'));
    expect(inputNames).toEqual(['input_ids', 'attention_mask', 'position_ids']);
  });

  it('loses no training of quantized weights, which adapters cannot be merged into', async () => {
    const out = at('int4.onnx');
    const texts = await writeRows('int4.jsonl', [{ text: 'It was late.' }, { text: 'The walk home.' }]);
    const { code, stderr } = await zerothTrain(
      ...['--model', `${LANGUAGE}/llama-int4.onnx`, '--tokenizer', `${LANGUAGE}/tokenizers/gpt2`],
      ...['--task', 'causal-lm', '--data', texts, '--batch-size', '2', '--learning-rate', '1e-3'],
      ...['--steps', '2', '--lora-rank', '2', '--merge', '--out', out],
    );
    expect([code, stderr]).toEqual([
      1,
      expect.stringContaining(`${out} has its adapters beside its weights`),
    ]);
    await (await InferenceSession.create(out)).release();
  });
});
