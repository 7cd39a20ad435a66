// Language models of which chosen positions alone go through the head, beside the same models as their files have them.
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { InferenceSession } from 'onnxruntime-node';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { withLora } from '../../../server/model/adapter/lora.ts';
import { openBatch } from '../../../server/model/batch/batch.ts';
import { madeUpRows } from '../../../server/model/batch/made-up.ts';
import { evaluate } from '../../../server/model/forward/evaluate.ts';
import { byPosition, type PositionForward } from '../../../server/model/forward/position-forward.ts';
import { checkAgainst, checkChosen, probe } from '../../../server/model/forward/probe.ts';
import { LossPrograms } from '../../../server/model/forward/score.ts';
import type { ModelGraph } from '../../../server/model/graph/graph.ts';
import { promote, withWeights } from '../../../server/model/graph/promote.ts';
import { findObjective } from '../../../server/model/objective/objectives.ts';
import { CApiRuntime } from '../../../server/runtime/capi/capi.ts';
import { NodeRuntime } from '../../../server/runtime/node.ts';
import type { BoundForward, Feeds, Runtime } from '../../../server/runtime/runtime.ts';
import type { Tensor } from '../../../server/tensor.ts';
import { devices } from '../../support/devices.ts';
import { readFixture, valuesOf } from '../adapter/lora-cases.ts';
import {
  chosenIn,
  evaluateFixture,
  expectLosses,
  type FixtureEvaluation,
  fixtures,
  readFixture as readCase,
  watch,
} from '../language-cases.ts';
import { float32, floats, int64, message } from '../models.ts';

const languageModels = fixtures.filter(([, { kind }]) => kind !== 'classification');

/** position-wise.test.ts has the others. */
const rewritten = languageModels.filter(([name]) => name !== 'llama-merged');

/** Rounding of products of other sizes. */
const ROUNDING = 1e-5;

function expectClose(got: FixtureEvaluation, wanted: FixtureEvaluation): void {
  for (const [i, loss] of wanted.perExampleLosses!.entries())
    expect(Math.abs(got.perExampleLosses![i] / loss - 1)).toBeLessThan(ROUNDING);
  expect(got.perExampleTokens).toEqual(wanted.perExampleTokens);
}

describe.each(['capi', 'node'] as const)('losses of labelled positions alone, by %s', (name) => {
  let runtime: Runtime;
  beforeAll(() => {
    runtime =
      name === 'capi' ? CApiRuntime.open({ device: 'cpu', threads: 1 }) : new NodeRuntime({ threads: 1 });
  });
  afterAll(() => runtime.close());

  test.each(rewritten)('%s: those of the framework and of the whole head', async (_, fixture) => {
    const got = await evaluateFixture(fixture, runtime, { head: 'chosen' });
    expectLosses(got, fixture);
    expectClose(got, await evaluateFixture(fixture, runtime));
    // No score of any other position is there.
    const scored = got.logits.map(([rows, positions]) => rows * positions);
    expect(got.logits.every(([rows, , width]) => rows === 1 && width === 280)).toBe(true);
    expect(scored.reduce((sum, count) => sum + count)).toBe(got.tokens);
  });

  test.each(rewritten)('%s: without padding', async (_, fixture) => {
    const got = await evaluateFixture(fixture, runtime, { head: 'chosen', isCut: true });
    expectLosses(got, fixture);
    expect(got.logits.every(([rows]) => rows === 1)).toBe(true);
  });

  test.each(rewritten)('%s: the output that comes back is whole', async (_, fixture) => {
    const options = { outputs: ['logits'] };
    const got = await evaluateFixture(fixture, runtime, { ...options, head: 'chosen' });
    const wanted = await evaluateFixture(fixture, runtime, options);
    expectClose(got, wanted);
    const [a, b] = [got, wanted].map(({ outputs }) => outputs!.get('logits')!);
    expect(a.shape).toEqual(b.shape);
    expectAlike(floats(a), floats(b));
  });
});

function expectAlike(got: Float32Array, wanted: Float32Array): void {
  const largest = wanted.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  expect(got.length).toBe(wanted.length);
  for (const [i, value] of wanted.entries())
    expect(Math.abs(got[i] - value)).toBeLessThan(ROUNDING * largest);
}

test('another output comes along with the losses of labelled positions', async () => {
  const runtime = CApiRuntime.open({ device: 'cpu', threads: 1 });
  const fixture = readCase('gpt2-past.json');
  const options = { outputs: ['present.1.value'] };
  const got = await evaluateFixture(fixture, runtime, { ...options, head: 'chosen' });
  const wanted = await evaluateFixture(fixture, runtime, options);
  expectLosses(got, fixture);
  expect(got.outputs).toEqual(wanted.outputs);
  expect(got.logits.every(([rows]) => rows === 1)).toBe(true);
  runtime.close();
});

test.each(['gpt2', 'roberta-mlm', 'llama-int4'])(
  '%s: adapters at its head follow the positions',
  async (name) => {
    const runtime = CApiRuntime.open({ device: 'cpu', threads: 1 });
    const adapt = (graph: ModelGraph): ModelGraph => {
      const targets = ['*lm_head*'];
      const adapted = withLora(graph, { rank: 2, alpha: 16, targets, seed: 7n });
      expect(adapted.adapters.length).toBeGreaterThan(0);
      const values = valuesOf(adapted.adapters);
      const initializer = adapted.graph.proto.graph.initializer.map((tensor) => {
        const weights = values.get(tensor.name ?? '');
        return weights === undefined ? tensor : { ...tensor, rawData: Buffer.from(weights.buffer) };
      });
      const { proto } = adapted.graph;
      return { ...adapted.graph, proto: { ...proto, graph: { ...proto.graph, initializer } } };
    };
    const fixture = readCase(`${name}.json`);
    const got = await evaluateFixture(fixture, runtime, { adapt, head: 'chosen' });
    expectClose(got, await evaluateFixture(fixture, runtime, { adapt }));
    expect(got.logits.every(([rows]) => rows === 1)).toBe(true);
    const without = await evaluateFixture(fixture, runtime, { head: 'chosen' });
    expect(Math.abs(got.loss - without.loss)).toBeGreaterThan(1e-3);
    runtime.close();
  },
);

type ProfileEvent = {
  readonly cat?: string;
  readonly args?: {
    readonly op_name?: string;
    readonly output_type_shape?: readonly Readonly<Record<string, readonly number[]>>[];
  };
};

/** The shapes of all products of a pass, as ONNX Runtime has timed them. */
async function productsOf(model: Uint8Array, feeds: Feeds): Promise<(readonly number[])[]> {
  const folder = mkdtempSync(join(tmpdir(), 'zeroth-test-'));
  try {
    const session = await InferenceSession.create(model, {
      enableProfiling: true,
      profileFilePrefix: join(folder, 'pass'),
    });
    const { Tensor: OrtTensor } = await import('onnxruntime-node');
    const inputs = Object.entries(feeds).map(([name, { dataType, shape, data }]) => {
      const values = dataType === 'int64' ? new BigInt64Array(data.buffer) : new Int32Array(data.buffer);
      return [name, new OrtTensor(dataType as 'int64', values as BigInt64Array, [...shape])] as const;
    });
    await session.run(Object.fromEntries(inputs), ['logits']);
    session.endProfiling();
    await session.release();
    const [file] = readdirSync(folder);
    const events = JSON.parse(readFileSync(join(folder, file), 'utf8')) as readonly ProfileEvent[];
    return events
      .filter(({ cat, args }) => cat === 'Node' && /MatMul|Gemm/.test(args?.op_name ?? ''))
      .map(({ args }) => Object.values(args!.output_type_shape![0])[0]);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

test('the products behind the cut are of the chosen positions: those of the last feed-forward part and of the head', async () => {
  const graph = readFixture('roberta-mlm');
  const { graph: changed, positions } = chosenIn(graph);
  const feeds = {
    input_ids: int64([2, 5], Array(10).fill(7)),
    attention_mask: int64([2, 5], Array(10).fill(1)),
  };
  const chosen = {
    dataType: 'int32',
    shape: [1, 3],
    data: new Uint8Array(Int32Array.of(9, 0, 4).buffer),
  } as const;
  const [before, after] = [
    await productsOf(promote(graph, []), feeds),
    await productsOf(promote(changed, []), { ...feeds, [positions.input]: chosen }),
  ];
  const ofChosen = after.filter(([rows, count]) => rows === 1 && count === 3).map(([, , width]) => width);
  expect(ofChosen).toEqual([64, 32, 32, 280]);
  expect(after.length).toBe(before.length);
  expect(before.at(-1)).toEqual([2, 5, 280]);
});

describe.each(devices)('on %s as a device', (device) => {
  const stack = new AsyncDisposableStack();
  let runtime: CApiRuntime;
  let host: CApiRuntime;
  beforeAll(() => {
    runtime = CApiRuntime.open({ device, threads: 1, hasMemory: true });
    host = CApiRuntime.open({ device: 'cpu', threads: 1 });
    stack.defer(() => runtime.close());
    stack.defer(() => host.close());
  });
  afterAll(() => stack.disposeAsync());

  /** With frozen weights. @returns the scores' shapes too. */
  async function opened(on: CApiRuntime, name: string, head: 'whole' | 'chosen') {
    const graph = readFixture(name);
    const chosen = head === 'chosen' ? chosenIn(graph) : undefined;
    const session = await on.createSession(promote(chosen?.graph ?? graph, []), { isProfiled: true });
    stack.defer(() => session.release());
    const shapes: (readonly number[])[] = [];
    const bound = stack.use(session.bind([]));
    const watched = watch(bound, 'logits', (shape) => shapes.push(shape));
    const forward: PositionForward = chosen === undefined ? watched : byPosition(watched, chosen.positions);
    return { graph, session, forward, shapes };
  }

  test.each(['gpt2', 'roberta-mlm'])('%s: losses are those of the host and the whole head', async (name) => {
    const { batch, kind } = readCase(`${name}.json`);
    const rows = (values: readonly (readonly number[])[]) =>
      int64([values.length, values[0].length], values.flat());
    const tensors = new Map<string, Tensor>([
      ['input_ids', rows(batch.input_ids)],
      ['attention_mask', rows(batch.attention_mask)],
      ['labels', rows(batch.labels as readonly (readonly number[])[])],
    ]);
    const lossesOf = async (on: CApiRuntime, head: 'whole' | 'chosen') => {
      const { graph, session, forward, shapes } = await opened(on, name, head);
      using programs = new LossPrograms(on);
      const objective = findObjective(kind === 'masked-lm' ? 'masked_lm' : 'causal_lm');
      const limits = { rowsPerMicroBatchMax: 2, tokensPerMicroBatchMax: 4096 };
      const opened_ = openBatch({ kind: 'inline', tensors }, graph.inputs, '', limits);
      const options = { objective, output: 'logits', outputs: [], programs, perExample: true, isCut: false };
      const evaluation = await evaluate(forward, opened_, { ...options, replyBytesMax: 0 });
      return { ...evaluation, shapes, fallbacks: session.fallbacks!() };
    };
    const wanted = await lossesOf(host, 'whole');
    const got = await lossesOf(runtime, 'chosen');
    for (const [i, loss] of wanted.perExampleLosses!.entries())
      expect(Math.abs(got.perExampleLosses![i] / loss - 1)).toBeLessThan(1e-4);
    expect(got.shapes.every(([one]) => one === 1)).toBe(true);
    // What picks the positions is computed where the model is.
    expect(got.fallbacks).toEqual((await lossesOf(runtime, 'whole')).fallbacks);
  });

  test('no position at all is no error', async () => {
    const { forward, graph } = await opened(runtime, 'roberta-mlm', 'chosen');
    const feeds = madeUpRows(graph.inputs, { rows: 2, free: 5 });
    const { logits } = await forward.run(forward.chosen!.at(feeds, Int32Array.of()), ['logits']);
    expect(logits.shape).toEqual([1, 0, 280]);
  });

  test('a pass that is about another output computes one', async () => {
    const { forward, graph, shapes } = await opened(runtime, 'gpt2-past', 'chosen');
    const feeds = madeUpRows(graph.inputs, { rows: 2, free: 5 });
    const { 'present.0.key': key } = await forward.run(feeds, ['present.0.key']);
    expect(key.shape).toEqual([2, 2, 5, 16]);
    expect(shapes).toEqual([]);
  });
});

describe('a graph is held against its file', () => {
  let runtime: CApiRuntime;
  beforeAll(() => {
    runtime = CApiRuntime.open({ device: 'cpu', threads: 1 });
  });
  afterAll(() => runtime.close());

  test('as a whole and by a few positions', async () => {
    const graph = readFixture('roberta-mlm');
    const { graph: changed, positions } = chosenIn(graph);
    const original = await runtime.createSession(withWeights(graph, new Map()));
    const session = await runtime.createSession(promote(changed, []));
    const wanted = (await probe(original, graph.inputs, graph.outputs))!;
    using bound = session.bind([]);
    const forward = byPosition(bound, positions);
    await checkAgainst(wanted, forward);
    await checkChosen(wanted, forward);
    // One that mixes them up gives the same as a whole only.
    const sorted = (chosen: Int32Array) => chosen.toSorted();
    const wrong: PositionForward & BoundForward = {
      ...forward,
      chosen: { ...forward.chosen!, at: (feeds, chosen) => forward.chosen!.at(feeds, sorted(chosen)) },
    };
    await checkAgainst(wanted, wrong);
    expect(await message(() => checkChosen(wanted, wrong))).toMatch(/output "logits" .* differs by/);
    for (const each of [bound, session, original])
      await ('release' in each ? each.release() : each[Symbol.dispose]());
  });
});

test('what is scored by rows is not asked for positions', async () => {
  const runtime = CApiRuntime.open({ device: 'cpu', threads: 1 });
  const graph = readFixture('roberta-mlm');
  const { graph: changed, positions } = chosenIn(graph);
  const [rows, sequence] = [2, 3];
  const tensors = new Map<string, Tensor>([
    ['input_ids', int64([rows, sequence], [0, 9, 2, 0, 12, 2])],
    ['labels', float32([rows, sequence, 280], Array(rows * sequence * 280).fill(0.5))],
  ]);
  const limits = { rowsPerMicroBatchMax: 2, tokensPerMicroBatchMax: 4096 };
  const batch = openBatch({ kind: 'inline', tensors }, graph.inputs, '', limits);
  const losses: Float64Array[] = [];
  for (const each of [graph, changed]) {
    const session = await runtime.createSession(promote(each, []));
    using bound = session.bind([]);
    const forward = each === graph ? bound : byPosition(bound, positions);
    const options = { output: 'logits', outputs: [], perExample: true, isCut: false, replyBytesMax: 0 };
    const objective = findObjective('mean_squared_error');
    losses.push((await evaluate(forward, batch, { ...options, objective })).perExampleLosses!);
    bound[Symbol.dispose]();
    await session.release();
  }
  for (const [i, loss] of losses[0].entries())
    expect(Math.abs(losses[1][i] / loss - 1)).toBeLessThan(ROUNDING);
  runtime.close();
});
