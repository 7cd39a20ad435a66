// Runs of language models in a model's worker: which positions go through the head, whoever evaluates what.
import { writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { Evaluation } from '../../server/model/forward/evaluate.ts';
import { GraphWriter } from '../../server/onnx/graph-writer.ts';
import type { Tensor } from '../../server/tensor.ts';
import { CopyAccount, WeightsBudget } from '../../server/worker/budget.ts';
import type {
  EvaluateWork,
  ObjectiveChoice,
  WorkerCalls,
  WorkerOptions,
} from '../../server/worker/messages.ts';
import { ModelHost } from '../../server/worker/model-host.ts';
import { FOLDER, readFixture } from '../model/language-cases.ts';
import { floats, int64, message } from '../model/models.ts';
import { devices } from '../support/devices.ts';
import { temporaryFolder } from '../support/server-process.ts';
import { workerOptions } from '../support/worker-options.ts';

const BYTES_MAX = 2 ** 24;

type Opened = { readonly host: ModelHost } & WorkerCalls['openRun']['out'];

async function open(
  path: string,
  objective: Partial<ObjectiveChoice>,
  options: Partial<WorkerOptions> = {},
): Promise<Opened> {
  const host = new ModelHost(workerOptions({ replyBytesMax: BYTES_MAX, ...options }));
  await host.load({ path: resolve(path), bytesMax: BYTES_MAX });
  return { host, ...(await openRun(host, 'runs/one', objective)) };
}

function openRun(host: ModelHost, run: string, objective: Partial<ObjectiveChoice>) {
  return host.openRun({
    run,
    table: 'rademacher',
    trainable: { kind: 'patterns', include: [], exclude: [] },
    objective: choiceOf(objective),
    additions: {},
    copies: new CopyAccount(WeightsBudget.of(2 ** 30)).shared,
  });
}

function choiceOf(objective: Partial<ObjectiveChoice>): ObjectiveChoice {
  return { name: 'masked_lm', output: 'logits', labels: '', ...objective };
}

const { batch } = readFixture('roberta-mlm.json');
const [ROWS, SEQUENCE] = [batch.input_ids.length, batch.input_ids[0].length];
const ids = batch.input_ids.flat();

/** With labels for every objective there is. */
const tensors = new Map<string, Tensor>([
  ['input_ids', int64([ROWS, SEQUENCE], ids)],
  ['attention_mask', int64([ROWS, SEQUENCE], batch.attention_mask.flat())],
  ['labels', int64([ROWS, SEQUENCE], batch.labels.flat())],
  ['next', int64([ROWS, SEQUENCE], ids)],
  [
    'classes',
    int64(
      [ROWS],
      batch.input_ids.map((_, row) => row % 2),
    ),
  ],
  [
    'words',
    int64(
      [ROWS, 2],
      batch.input_ids.flatMap(() => [30, 70]),
    ),
  ],
  ['positions', int64([ROWS], Array(ROWS).fill(2))],
]);

const objectives: readonly Partial<ObjectiveChoice>[] = [
  {},
  { name: 'causal_lm', labels: 'next' },
  { name: 'exact_match', labels: 'next' },
  { name: 'cross_entropy', labels: 'classes', candidates: 'words' },
];

async function evaluated(
  host: ModelHost,
  objective: Partial<ObjectiveChoice>,
  changes: Partial<EvaluateWork> = {},
): Promise<Evaluation> {
  const work = {
    run: 'runs/one',
    points: [{ revision: 0, shifts: [{ seed: 3n, scale: 0.01 }] }],
    batch: { kind: 'inline', tensors },
    objective: choiceOf(objective),
    perExampleLosses: true,
    outputs: [],
    ...changes,
  } as const;
  const [evaluation] = (await host.run(work.run).evaluate(work)).results;
  return evaluation;
}

const MASKED = `${FOLDER}/roberta-mlm.onnx`;

describe.each(devices)('on %s', (device) => {
  test('a run answers any objective, and two of them share a session', async () => {
    const { host, positions } = await open(MASKED, {}, { device });
    expect(positions).toEqual({ output: 'logits', chosen: true });
    const second = await openRun(host, 'runs/two', objectives[1]);
    expect(second.positions).toEqual(positions);
    for (const objective of objectives) {
      const { perExampleLosses, perExampleTokens } = await evaluated(host, objective);
      // What is asked for as well is whole, and scored on the host.
      const whole = await evaluated(host, objective, { outputs: ['logits'] });
      expect(whole.outputs!.get('logits')!.shape).toEqual([ROWS, SEQUENCE, 280]);
      for (const [row, loss] of whole.perExampleLosses!.entries())
        expect(Math.abs(perExampleLosses![row] - loss)).toBeLessThan(1e-4 * (1 + loss));
      expect(perExampleTokens).toEqual(whole.perExampleTokens);
      const other = await evaluated(host, objective, { run: 'runs/two' });
      expect(other.perExampleLosses).toEqual(perExampleLosses);
    }
    await host.close();
  });
});

test.each(['capi', 'node'] as const)('after a restart losses are the same bits, by %s', async (runtime) => {
  const lossesOf = async () => {
    const { host } = await open(MASKED, {}, { runtime });
    const losses: Float64Array[] = [];
    for (const objective of objectives) losses.push((await evaluated(host, objective)).perExampleLosses!);
    await host.close();
    return losses;
  };
  expect(await lossesOf()).toEqual(await lossesOf());
});

test('labels are refused as they are of a whole head', async () => {
  const { host } = await open(MASKED, {});
  const labels = int64([ROWS, SEQUENCE], batch.labels.flat().with(3, 280));
  const changed = { batch: { kind: 'inline', tensors: new Map([...tensors, ['labels', labels]]) } } as const;
  const expected =
    'ZerothError: batch.inline.tensors["labels"]: expected tokens from 0 to 279, or -100 where there is none, got 280 in row 0';
  expect(await message(() => evaluated(host, {}, changed))).toBe(expected);
  expect(await message(() => evaluated(host, {}, { ...changed, outputs: ['logits'] }))).toBe(expected);
  await host.close();
});

const [TOKENS, WIDTH] = [5, 7];

/** Its output is of the first `kept` tokens, and called as long as its input. */
function shortened(kept: number): Uint8Array {
  const graph = new GraphWriter(18);
  graph.input('input_ids', ['n', 'm']);
  const few = graph.add('Slice', [
    'input_ids',
    graph.constant([0]),
    graph.constant([kept]),
    graph.constant([1]),
  ]);
  const weight = (name: string, shape: readonly [number, number]) =>
    graph.initializer(
      name,
      shape,
      Float32Array.from({ length: shape[0] * shape[1] }, (_, i) => Math.sin(i)),
    );
  const states = graph.add('Gather', [weight('table', [TOKENS, 3]), few]);
  graph.add('MatMul', [states, weight('head', [3, WIDTH])], {}, 'logits');
  graph.output('logits', ['n', 'm', WIDTH]);
  return graph.finish();
}

test('a graph that is not what it says keeps its head whole, and its run is served', async () => {
  await using folder = await temporaryFolder();
  const path = join(folder.path, 'shortened.onnx');
  await writeFile(path, shortened(4));
  const { host, positions } = await open(path, {});
  expect(positions).toMatchObject({ output: 'logits', chosen: false, why: expect.stringMatching(/./) });
  const source = new Map([
    ['input_ids', int64([2, 6], [0, 1, 2, 3, 4, 0, 1, 2, 3, 4, 0, 1])],
    ['labels', int64([2, 4], [1, -100, 2, -100, -100, 3, -100, -100])],
  ]);
  const of = { batch: { kind: 'inline', tensors: source } } as const;
  const { loss, tokens } = await evaluated(host, {}, of);
  expect(tokens).toBe(3);
  const { outputs, loss: onHost } = await evaluated(host, {}, { ...of, outputs: ['logits'] });
  expect(Math.abs(loss - onHost)).toBeLessThan(1e-5);
  expect(floats(outputs!.get('logits')!).length).toBe(2 * 4 * WIDTH);
  await host.close();
});

test('a model without scores for positions is not asked', async () => {
  const { host, positions } = await open('test/fixtures/models/torch-mlp.onnx', { name: 'cross_entropy' });
  expect(positions).toBe(undefined);
  await host.close();
});
