import { describe, expect, test } from 'vitest';
import { type HeadOptions, withHead } from '../../../server/model/adapter/head.ts';
import { firstHead } from '../../../server/model/adapter/head-init.ts';
import { withLora } from '../../../server/model/adapter/lora.ts';
import { findLayers } from '../../../server/model/adapter/lora-layers.ts';
import { readModel } from '../../../server/model/graph/graph.ts';
import { initialValues, promote, withWeights } from '../../../server/model/graph/promote.ts';
import { GraphIndex } from '../../../server/model/graph/rewrite.ts';
import { selectTrainable } from '../../../server/model/graph/select.ts';
import { GraphWriter } from '../../../server/onnx/graph-writer.ts';
import { CApiRuntime } from '../../../server/runtime/capi/capi.ts';
import type { Feeds } from '../../../server/runtime/runtime.ts';
import { type DataType, scoresOf, type Tensor } from '../../../server/tensor.ts';
import { devices } from '../../support/devices.ts';
import { createSession } from '../../support/sessions.ts';
import { float32, floats, int64, message, tensor } from '../models.ts';
import { encoderOf } from './head-cases.ts';
import { fileOf } from './lora-cases.ts';

const OPTIONS: HeadOptions = { output: '', classes: 2, pooling: 'mean', seed: 7n };
const WEIGHT = [0.5, -1, 2, 1, 0, -0.25];
const BIAS = [0.125, -3];

type Case = {
  readonly opset?: number;
  /** 'unknown': not even how many dimensions there are. */
  readonly shape?: readonly (number | string)[] | 'unknown';
  readonly dataType?: DataType;
  readonly mask?: { readonly shape: readonly (number | string)[]; readonly dataType?: DataType };
  readonly name?: string;
};

const TOKENS = ['rows', 'sequence', 3];
const MASK = { shape: ['rows', 'sequence'] };

/** A model that gives out what it gets. */
function echo({ opset = 18, shape = TOKENS, dataType = 'float32', mask, name = 'states' }: Case = {}) {
  const writer = new GraphWriter(opset);
  const known = shape === 'unknown' ? undefined : shape;
  writer.add('Identity', [writer.input('x', known, dataType)], {}, name);
  if (mask !== undefined) writer.input('attention_mask', mask.shape, mask.dataType);
  writer.output(name, known, dataType);
  return readModel(writer.finish());
}

/** Two rows of two and of three tokens. */
const STATES = [
  [
    [1, 2, 3],
    [3, 4, -5],
    [100, 200, 300],
  ],
  [
    [0.5, 0, 1],
    [1, -1, 1],
    [1.5, 4, 1],
  ],
];
const SHOWN = [1, 1, 0, 1, 1, 1];

/** By hand. */
function scores(states: readonly (readonly number[])[]): number[] {
  return states.flatMap((state) =>
    BIAS.map((bias, i) => bias + state.reduce((sum, value, j) => sum + value * WEIGHT[3 * i + j], 0)),
  );
}

async function logitsOf(graph: ReturnType<typeof echo>, options: Partial<HeadOptions>, feeds: Feeds) {
  const values = new Map([
    ['classifier.weight', Float32Array.from(WEIGHT)],
    ['classifier.bias', Float32Array.from(BIAS)],
  ]);
  const session = await createSession(withWeights(withHead(graph, { ...OPTIONS, ...options }), values));
  const { logits } = await session.run(feeds, ['logits']);
  await session.release();
  expect([logits.dataType, logits.shape]).toEqual(['float32', [2, 2]]);
  return [...floats(logits)];
}

const x = float32([2, 3, 3], STATES.flat(2));
const shown = int64([2, 3], SHOWN);
const MASKED_MEANS = [
  [2, 3, -1],
  [1, 1, 1],
];

describe('what a head makes of states', () => {
  test.each([11, 12, 13, 17, 18, 21])(
    'opset %d: the mean of the tokens that the mask shows',
    async (opset) => {
      expect(await logitsOf(echo({ opset, mask: MASK }), {}, { x, attention_mask: shown })).toEqual(
        scores(MASKED_MEANS),
      );
    },
  );

  test.each([
    ['int32', Int32Array.from(SHOWN)],
    ['float32', Float32Array.from(SHOWN)],
    ['bool', Uint8Array.from(SHOWN)],
  ] as const)('a mask of %s is one as well', async (dataType, values) => {
    const graph = echo({ mask: { ...MASK, dataType } });
    const attention_mask = tensor(dataType, [2, 3], values);
    expect(await logitsOf(graph, {}, { x, attention_mask })).toEqual(scores(MASKED_MEANS));
  });

  test('states of float16 are scored as float32', async () => {
    const graph = echo({ dataType: 'float16', mask: MASK });
    const half = tensor('float16', [2, 3, 3], Float16Array.from(STATES.flat(2)));
    expect(await logitsOf(graph, {}, { x: half, attention_mask: shown })).toEqual(scores(MASKED_MEANS));
  });

  test('a row without tokens has the bias as its scores', async () => {
    const attention_mask = int64([2, 3], [0, 0, 0, 1, 1, 1]);
    const logits = await logitsOf(echo({ mask: MASK }), {}, { x, attention_mask });
    expect(logits).toEqual([...BIAS, ...scores([MASKED_MEANS[1]])]);
  });

  test.each([13, 18])('opset %d: the mean of all tokens where there is no mask', async (opset) => {
    const logits = await logitsOf(echo({ opset }), {}, { x });
    const means = STATES.map((rows) => [0, 1, 2].map((i) => rows.reduce((sum, row) => sum + row[i], 0) / 3));
    for (const [i, each] of scores(means).entries()) expect(logits[i]).toBeCloseTo(each, 3);
  });

  test('the first token', async () => {
    const graph = echo({ mask: MASK });
    const logits = await logitsOf(graph, { pooling: 'first' }, { x, attention_mask: shown });
    expect(logits).toEqual(scores(STATES.map(([first]) => first)));
  });

  test('one state a row, as it is', async () => {
    const logits = await logitsOf(
      echo({ shape: ['rows', 3] }),
      {},
      { x: float32([2, 3], MASKED_MEANS.flat()) },
    );
    expect(logits).toEqual(scores(MASKED_MEANS));
  });
});

describe('a head on an encoder', () => {
  const ids = [
    [5, 9, 17, 30, 2],
    [11, 40, 2],
    [8, 9, 10, 2],
  ];
  const padded = (width: number): Record<string, Tensor> => {
    const rows = (of: (row: number[], i: number) => number) =>
      int64(
        [3, width],
        ids.flatMap((row) => Array.from({ length: width }, (_, i) => of(row, i))),
      );
    return {
      input_ids: rows((row, i) => row[i] ?? 1),
      attention_mask: rows((row, i) => (i < row.length ? 1 : 0)),
    };
  };

  test.each([
    ['distilbert-classification', 'float32', 1e-6],
    ['roberta-mlm', 'float32', 1e-6],
    ['roberta-classification-fp16', 'float16', 1e-3],
  ] as const)(
    '%s: padding does not matter, and the states stay as they were',
    async (name, dataType, tolerance) => {
      const encoder = readModel(encoderOf(name, dataType));
      const session = await createSession(fileOf(withHead(encoder, { ...OPTIONS, classes: 3 })));
      const [tight, wide] = [
        await session.run(padded(5), ['logits', 'last_hidden_state']),
        await session.run(padded(9), ['logits']),
      ];
      const [a, b] = [tight.logits, wide.logits].map(scoresOf);
      expect(Math.max(...a.map(Math.abs))).toBeGreaterThan(10 * tolerance);
      expect(Math.max(...a.map((value, i) => Math.abs(value - b[i])))).toBeLessThan(tolerance);
      const plain = await createSession(fileOf(encoder));
      expect(await plain.run(padded(5), ['last_hidden_state'])).toEqual({
        last_hidden_state: tight.last_hidden_state,
      });
      await session.release();
      await plain.release();
    },
  );

  test('it is trained like any tensor, as an input of the session', async () => {
    const graph = withHead(readModel(encoderOf('distilbert-classification')), OPTIONS);
    const chosen = selectTrainable(graph, { include: ['classifier.*'], exclude: [] });
    expect(chosen).toMatchObject([
      { name: 'classifier.weight', shape: [2, 32], trainable: true },
      { name: 'classifier.bias', shape: [2], trainable: true },
    ]);
    const weights = chosen.map(({ name, shape }) => ({ name, shape, value: initialValues(graph, name) }));
    const session = await createSession(promote(graph, ['classifier.weight', 'classifier.bias']));
    const plain = await createSession(fileOf(graph));
    expect(await session.bind(weights).run(padded(5), ['logits'])).toEqual(
      await plain.run(padded(5), ['logits']),
    );
    await session.release();
    await plain.release();
  });

  test('the file with it says what it gives', () => {
    const graph = withHead(readModel(encoderOf('distilbert-classification')), OPTIONS);
    const { outputs, parameters, inputs } = readModel(fileOf(graph));
    expect({ outputs, parameters, inputs }).toEqual({
      outputs: graph.outputs,
      parameters: graph.parameters,
      inputs: graph.inputs,
    });
    expect(outputs).toEqual([
      { name: 'last_hidden_state', dataType: 'float32', shape: [-1, -1, 32] },
      { name: 'logits', dataType: 'float32', shape: [-1, 2] },
    ]);
  });

  test('adapters stay where they are without it', () => {
    const lora = { rank: 2, alpha: 16, targets: ['*'], seed: 1n };
    const { graph, adapters } = withLora(readModel(encoderOf('distilbert-classification')), lora);
    const headed = withHead(graph, OPTIONS);
    expect(headed.parameters).toHaveLength(graph.parameters.length + 2);
    const { layers } = findLayers(new GraphIndex(headed.proto.graph));
    expect(layers.map(({ module }) => module)).toHaveLength(adapters.length + 1);
    expect(layers.at(-1)!.module).toBe('classifier');
  });

  test.each(devices.filter((device) => device !== 'cpu'))(
    '%s computes all of it, but that the host casts a mask of int64, as it does for the encoder',
    async (device) => {
      using runtime = new DisposableStack();
      const opened = runtime.adopt(CApiRuntime.open({ device, threads: 1 }), (each) => each.close());
      const fallbacksOf = async (graph: ReturnType<typeof echo>, outputs: string[]) => {
        const session = await opened.createSession(fileOf(graph), { isProfiled: true });
        const results = await session.run(padded(9), outputs);
        const fallbacks = session.fallbacks!();
        await session.release();
        return { fallbacks, results };
      };
      const encoder = readModel(encoderOf('distilbert-classification'));
      const { fallbacks } = await fallbacksOf(encoder, ['last_hidden_state']);
      for (const pooling of ['mean', 'first'] as const) {
        const graph = withHead(encoder, { ...OPTIONS, pooling });
        const there = await fallbacksOf(graph, ['logits']);
        const masks = pooling === 'mean' ? 1 : 0;
        const casts = fallbacks.map((each) =>
          each.replace(/(?<=^Cast x )\d+/, (n) => `${Number(n) + masks}`),
        );
        expect(there.fallbacks).toEqual(casts);
        const session = await createSession(fileOf(graph));
        const wanted = scoresOf((await session.run(padded(9), ['logits'])).logits);
        for (const [i, value] of scoresOf(there.results.logits).entries())
          expect(value).toBeCloseTo(wanted[i], 4);
        await session.release();
      }
    },
  );
});

describe('what a head starts from', () => {
  test('its weight is drawn from the seed, with a standard deviation of 0.02', () => {
    const options = { seed: 7n, classes: 5, hidden: 4001 };
    const values = firstHead(options);
    expect(firstHead(options)).toEqual(values);
    expect(firstHead({ ...options, seed: 7n + 2n ** 40n })).not.toEqual(values);
    const deviation = Math.sqrt(values.reduce((sum, value) => sum + value * value, 0) / values.length);
    expect(deviation).toBeCloseTo(0.02, 3);
    expect(Math.abs(values.reduce((sum, value) => sum + value, 0) / values.length)).toBeLessThan(1e-3);
    expect(Math.max(...values.map(Math.abs))).toBeLessThan(0.02 * Math.sqrt(3) + 1e-9);
  });

  test('these bits, on every machine', () => {
    const bits = new Uint32Array(firstHead({ seed: 7n, classes: 2, hidden: 3 }).buffer);
    expect([...bits].map((each) => each.toString(16))).toMatchInlineSnapshot(`
      [
        "bb5f5e94",
        "3cdc8d11",
        "bcd311e8",
        "3cda03f5",
        "bcee1cc7",
        "bbe04410",
      ]
    `);
  });

  test('its bias is zero', () => {
    const graph = withHead(echo(), { ...OPTIONS, classes: 4 });
    expect(initialValues(graph, 'classifier.bias')).toEqual(new Float32Array(4));
    expect(initialValues(graph, 'classifier.weight')).toEqual(firstHead({ seed: 7n, classes: 4, hidden: 3 }));
  });
});

describe('what cannot have a head says why', () => {
  const failed = (model: Case, options: Partial<HeadOptions> = {}) =>
    message(() => withHead(echo(model), { ...OPTIONS, ...options }));

  test.each([0, 1, -3, 2.5, Number.NaN, 65_537])('%d classes', async (classes) => {
    expect(await failed({}, { classes })).toBe(
      `ZerothError: head.classes: expected an integer from 2 to 65536, got ${classes}`,
    );
  });

  test.each<[string, Case, Partial<HeadOptions>, string]>([
    [
      'no such output',
      {},
      { output: 'pooled' },
      'head.output: expected a model output ("states"), got "pooled"',
    ],
    [
      'four dimensions',
      { shape: ['rows', 2, 2, 3] },
      {},
      'head.output: expected float32 [rows, sequence, hidden] or [rows, hidden], got "states", which is float32 [-1, 2, 2, 3]',
    ],
    [
      'no dimensions that are known',
      { shape: 'unknown' },
      {},
      'head.output: expected float32 [rows, sequence, hidden] or [rows, hidden], got "states", which is float32 []',
    ],
    [
      'integers',
      { dataType: 'int64' },
      {},
      'head.output: expected float32 [rows, sequence, hidden] or [rows, hidden], got "states", which is int64 [-1, -1, 3]',
    ],
    [
      'a size that is not known',
      { shape: ['rows', 'sequence', 'hidden'] },
      {},
      'head.output: expected an output whose last dimension is known, got "states", which is float32 [-1, -1, -1]',
    ],
    [
      'a mask of another form',
      { mask: { shape: ['rows', 1, 'sequence', 'sequence'] } },
      {},
      'head.pooling: expected an input "attention_mask" of [rows, sequence] to take a mean by, got int64 [-1, 1, -1, -1]',
    ],
    [
      'an output of this name',
      { name: 'logits' },
      {},
      'head: expected a model in which nothing is called "logits" yet, got one with an output of that name',
    ],
    [
      'an opset before bounds of Clip',
      { opset: 10 },
      {},
      "head: expected a model of ONNX's opset 11 or later, got 10",
    ],
  ])('%s', async (_, model, options, text) => {
    expect(await failed(model, options)).toBe(`ZerothError: ${text}`);
  });

  test('a head that is there already', async () => {
    const once = withHead(echo(), OPTIONS);
    expect(await message(() => withHead(once, { ...OPTIONS, output: 'states' }))).toContain('head: expected');
    const writer = new GraphWriter(18);
    const weight = writer.initializer('classifier.weight', [3, 3], new Float32Array(9));
    writer.add('MatMul', [writer.input('x', TOKENS, 'float32'), weight], {}, 'states');
    writer.output('states', TOKENS);
    expect(await message(() => withHead(readModel(writer.finish()), OPTIONS))).toBe(
      'ZerothError: head: expected a model in which nothing is called "classifier.weight" yet, got one with a tensor of that name',
    );
  });
});
