// exact_match beside what a model from the real exporter writes by greedy decoding.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openBatch } from '../../../server/model/batch/batch.ts';
import { evaluate } from '../../../server/model/forward/evaluate.ts';
import { LossPrograms } from '../../../server/model/forward/score.ts';
import type { ModelGraph } from '../../../server/model/graph/graph.ts';
import { exactMatch } from '../../../server/model/objective/exact-match.ts';
import { CApiRuntime } from '../../../server/runtime/capi/capi.ts';
import type { Session } from '../../../server/runtime/runtime.ts';
import { ModelFile } from '../../../server/worker/model-file.ts';
import { float32, floats, int64 } from '../models.ts';

const prompts = [
  [5, 17, 42],
  [200, 3, 9],
];
const [PROMPT, ANSWER] = [3, 4];
const NONE = -100;

describe('exact_match', () => {
  let runtime: CApiRuntime;
  let session: Session;
  let programs: LossPrograms;
  let graph: ModelGraph;
  beforeAll(async () => {
    runtime = CApiRuntime.open({ device: 'cpu', threads: 1 });
    using file = ModelFile.read('test/fixtures/language/gpt2.onnx');
    session = await runtime.createSession(file.bytes);
    graph = { ...file.graph };
    programs = new LossPrograms(runtime);
  });
  afterAll(async () => {
    programs[Symbol.dispose]();
    await session.release();
    runtime.close();
  });

  /** @param outputs Those that are asked for are scored on the host. */
  async function evaluated(sequences: readonly number[][], outputs: readonly string[] = []) {
    const shape = [sequences.length, sequences[0].length];
    const labels = sequences.map((tokens) => tokens.map((token, i) => (i < PROMPT ? NONE : token)));
    const tensors = new Map([
      ['input_ids', int64(shape, sequences.flat())],
      ['labels', int64(shape, labels.flat())],
    ]);
    const limits = { rowsPerMicroBatchMax: 2, tokensPerMicroBatchMax: 4096 };
    const batch = openBatch({ kind: 'inline', tensors }, graph.inputs, '', limits);
    using forward = session.bind([]);
    const scoring = { objective: exactMatch, output: 'logits', outputs, programs };
    const options = { ...scoring, perExample: true, isCut: false, replyBytesMax: 2 ** 24 };
    return await evaluate(forward, batch, options);
  }

  /** The prompts, each followed by what the model finds most probable after all that is there. */
  async function decoded(): Promise<number[][]> {
    let sequences = prompts;
    for (let i = 0; i < ANSWER; i++) {
      const { outputs } = await evaluated(
        sequences.map((tokens) => [...tokens, 0]),
        ['logits'],
      );
      const { shape } = outputs!.get('logits')!;
      const [, length, vocabulary] = shape;
      const logits = floats(outputs!.get('logits')!);
      sequences = sequences.map((tokens, row) => {
        const start = (row * length + tokens.length - 1) * vocabulary;
        const scores = [...logits.slice(start, start + vocabulary)];
        return [...tokens, scores.indexOf(Math.max(...scores))];
      });
    }
    return sequences;
  }

  test.each([[[]], [['logits']]])(
    'is 0 for what greedy decoding writes, 1 with any other token; outputs %j',
    async (outputs) => {
      const right = await decoded();
      const { loss, perExampleLosses, tokens } = await evaluated(right, outputs);
      expect([loss, ...perExampleLosses!, tokens]).toEqual([0, 0, 0, 2 * ANSWER]);
      for (let at = PROMPT; at < PROMPT + ANSWER; at++) {
        const wrong = right.map((each, row) => (row === 1 ? each.with(at, (each[at] + 1) % 200) : each));
        const result = await evaluated(wrong, outputs);
        expect([result.loss, ...result.perExampleLosses!]).toEqual([0.5, 0, 1]);
      }
    },
  );

  test('NaN among the scores is no answer', () => {
    const output = float32([1, 3, 2], [0, 1, Number.NaN, 0, 0, 0]);
    const names = { field: 'labels', rowOf: (row: number) => row };
    expect([...exactMatch.losses(output, int64([1, 3], [NONE, 1, 0]), names)]).toEqual([Number.NaN]);
  });
});
