// Classes by the words that stand for them, on a masked model from the real exporter: picked where the scores lie, and on the host.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openBatch } from '../../../server/model/batch/batch.ts';
import { evaluate } from '../../../server/model/forward/evaluate.ts';
import { byPosition } from '../../../server/model/forward/position-forward.ts';
import { LossPrograms } from '../../../server/model/forward/score.ts';
import type { ModelGraph } from '../../../server/model/graph/graph.ts';
import type { HeadPositions } from '../../../server/model/graph/positions.ts';
import { promote } from '../../../server/model/graph/promote.ts';
import { findObjective, scoredWords } from '../../../server/model/objective/objectives.ts';
import { CApiRuntime } from '../../../server/runtime/capi/capi.ts';
import { NodeRuntime } from '../../../server/runtime/node.ts';
import type { Session } from '../../../server/runtime/runtime.ts';
import type { Tensor } from '../../../server/tensor.ts';
import { ModelFile } from '../../../server/worker/model-file.ts';
import { readFixture } from '../adapter/lora-cases.ts';
import { chosenIn, watch } from '../language-cases.ts';
import { floats, int64, message } from '../models.ts';

const [ROWS, SEQUENCE, VOCABULARY] = [3, 6, 280];
const ids = int64([ROWS, SEQUENCE], [0, 59, 76, 4, 263, 2, 0, 4, 12, 13, 14, 2, 0, 9, 8, 7, 4, 2]);
const words = [[30, 70], [30, 70], [31, 71]].flat(); // biome-ignore format: rows
const places = [3, 1, 4];
const classes = [1, 0, 1];

describe('words for classes', () => {
  let runtime: CApiRuntime;
  let session: Session;
  /** Of which chosen positions alone go through the head. */
  let choosing: Session;
  let positions: HeadPositions;
  let programs: LossPrograms;
  let graph: ModelGraph;
  const shapes: (readonly number[])[] = [];
  beforeAll(async () => {
    runtime = CApiRuntime.open({ device: 'cpu', threads: 1 });
    using file = ModelFile.read('test/fixtures/language/roberta-mlm.onnx');
    session = await runtime.createSession(file.bytes);
    graph = { ...file.graph };
    const chosen = chosenIn(file.graph);
    positions = chosen.positions;
    choosing = await runtime.createSession(promote(chosen.graph, []));
    programs = new LossPrograms(runtime);
  });
  afterAll(async () => {
    programs[Symbol.dispose]();
    await session.release();
    await choosing.release();
    runtime.close();
  });

  type Given = {
    name?: string;
    candidates?: Tensor;
    positions?: Tensor;
    outputs?: string[];
    head?: 'whole' | 'chosen';
    on?: Session;
  };

  async function evaluated({
    name = 'cross_entropy',
    candidates = int64([ROWS, 2], words),
    positions: at = int64([ROWS], places),
    outputs = [],
    head = 'whole',
    on = head === 'whole' ? session : choosing,
  }: Given = {}) {
    const tensors = new Map([
      ['input_ids', ids],
      ['labels', int64([ROWS], classes)],
      ['words', candidates],
      ['positions', at],
    ]);
    const objective = findObjective(name);
    const output = scoredWords(objective, graph.outputs, 'logits').name;
    const batch = openBatch({ kind: 'inline', tensors }, graph.inputs, '', {
      rowsPerMicroBatchMax: 2,
      tokensPerMicroBatchMax: 4096,
      extras: { candidates: 'words', positions: 'positions' },
    });
    using bound = on.bind([]);
    shapes.length = 0;
    const watched = watch(bound, 'logits', (shape) => shapes.push(shape));
    const forward = head === 'whole' ? watched : byPosition(watched, positions);
    const options = { objective, output, outputs, programs, isOfWords: true, isCut: false };
    return await evaluate(forward, batch, { ...options, perExample: name !== 'f1', replyBytesMax: 2 ** 20 });
  }

  test('losses are those of their scores at their positions, wherever they are picked', async () => {
    const onHost = await evaluated({ outputs: ['logits'] });
    const logits = floats(onHost.outputs!.get('logits')!);
    const expected = classes.map((label, row) => {
      const [a, b] = [0, 1].map(
        (i) => logits[(row * SEQUENCE + places[row]) * VOCABULARY + words[row * 2 + i]],
      );
      return Math.log(Math.exp(a) + Math.exp(b)) - (label === 0 ? a : b);
    });
    for (const [i, loss] of expected.entries()) expect(onHost.perExampleLosses![i]).toBeCloseTo(loss, 6);
    const { perExampleLosses } = await evaluated();
    for (const [i, loss] of expected.entries()) expect(perExampleLosses![i]).toBeCloseTo(loss, 6);
  });

  test.each([[[]], [['logits']]])(
    'losses are the same where only their positions go through the head; outputs %j',
    async (outputs) => {
      const wanted = await evaluated({ outputs });
      const got = await evaluated({ outputs, head: 'chosen' });
      for (const [i, loss] of wanted.perExampleLosses!.entries())
        expect(got.perExampleLosses![i]).toBeCloseTo(loss, 5);
      // Two rows a pass.
      const whole = [2, 1].map((rows) => [rows, SEQUENCE, VOCABULARY]);
      const chosen = [2, 1].map((rows) => [1, rows, VOCABULARY]);
      expect(shapes).toEqual(outputs.length === 0 ? chosen : whole);
    },
  );

  test('so they are by onnxruntime-node, which cannot leave scores where they are', async () => {
    const node = new NodeRuntime({ threads: 1 });
    const own = await node.createSession(promote(chosenIn(readFixture('roberta-mlm')).graph, []));
    const wanted = await evaluated();
    const got = await evaluated({ head: 'chosen', on: own });
    for (const [i, loss] of wanted.perExampleLosses!.entries())
      expect(got.perExampleLosses![i]).toBeCloseTo(loss, 5);
    expect(shapes).toEqual([2, 1].map((rows) => [1, rows, VOCABULARY]));
    await own.release();
  });

  test('they are scored by every objective of classes', async () => {
    const { perExampleLosses } = await evaluated({ name: 'accuracy' });
    const missed = [...perExampleLosses!];
    expect(missed.every((loss) => loss === 0 || loss === 1)).toBe(true);
    const { loss } = await evaluated({ name: 'f1' });
    expect(loss).toBeGreaterThanOrEqual(0);
    expect(await message(() => evaluated({ name: 'causal_lm' }))).toBe(
      'ZerothError: objective.candidates: expected none, got one, of causal_lm, which does not score classes',
    );
  });

  test.each([
    [
      'a candidate that is no token',
      { candidates: int64([ROWS, 2], [...words.slice(0, 5), 280]) },
      'batch.inline.tensors["words"]: expected tokens from 0 to 279, got 280 in row 2',
    ],
    [
      'a position beyond the sequence',
      { positions: int64([ROWS], [0, 6, 0]) },
      'batch.inline.tensors["positions"]: expected positions from 0 to 5, got 6 in row 1',
    ],
    [
      'one candidate for all rows',
      { candidates: int64([ROWS], [1, 2, 3]) },
      'batch.inline.tensors["words"]: expected int64 or int32 [rows, classes], got int64 [2]',
    ],
  ])('%s is named', async (_, given, expected) => {
    expect(await message(() => evaluated(given))).toBe(`ZerothError: ${expected}`);
    expect(await message(() => evaluated({ ...given, outputs: ['logits'] }))).toBe(
      `ZerothError: ${expected}`,
    );
    expect(await message(() => evaluated({ ...given, head: 'chosen' }))).toBe(`ZerothError: ${expected}`);
  });
});
