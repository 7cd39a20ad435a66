// A whole evaluation on a device, with weights there, beside one on the host: WebGPU, and the CPU provider as if it were a device.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openBatch } from '../../../server/model/batch/batch.ts';
import { type Evaluation, evaluate } from '../../../server/model/forward/evaluate.ts';
import { LossPrograms } from '../../../server/model/forward/score.ts';
import { readModel } from '../../../server/model/graph/graph.ts';
import { initialValues, promote } from '../../../server/model/graph/promote.ts';
import { graphObjective } from '../../../server/model/objective/graph-objective.ts';
import { moduleObjective } from '../../../server/model/objective/module-objective.ts';
import { findObjective } from '../../../server/model/objective/objectives.ts';
import {
  bindObjective,
  type ObjectiveFile,
  type OperatorObjective,
} from '../../../server/model/objective/operator-objective.ts';
import { CApiRuntime } from '../../../server/runtime/capi/capi.ts';
import { liveHandles } from '../../../server/runtime/capi/handles.ts';
import type { BoundForward, Session } from '../../../server/runtime/runtime.ts';
import type { Tensor } from '../../../server/tensor.ts';
import { DeviceWeights } from '../../../server/weights/device.ts';
import { HostWeights } from '../../../server/weights/host.ts';
import { Movers } from '../../../server/weights/movers.ts';
import type { Weights } from '../../../server/weights/weights.ts';
import squares from '../../fixtures/objectives/squares.ts';
import { devices } from '../../support/devices.ts';
import { likelihood } from '../../support/objective-files.ts';
import { fixture, float32, int64, message } from '../models.ts';

const ROWS = 10;
const model = fixture('torch-transformer');
const graph = readModel(model);
const trainable = graph.parameters.filter((parameter) => parameter.trainable);
const names = trainable.map(({ name }) => name);
const specs = trainable.map(({ name, shape }) => ({ name, shape }));

const ids = int64(
  [ROWS, 5],
  Array.from({ length: ROWS * 5 }, (_, i) => (i * 7) % 20),
);
const classes = int64(
  [ROWS],
  Array.from({ length: ROWS }, (_, i) => i % 3),
);
const targets = float32(
  [ROWS, 3],
  Array.from({ length: ROWS * 3 }, (_, i) => Math.sin(i)),
);

/** Rows that a class or a target is missing for would be the host's to find, too. */
const labelsOf = { cross_entropy: classes, accuracy: classes, mean_squared_error: targets } as const;

const OPERATORS: Readonly<Record<string, OperatorObjective>> = {
  module: moduleObjective(squares, operatorFile('squares.ts', new Uint8Array()), 1000),
  graph: graphObjective(operatorFile('likelihood.onnx', likelihood())),
};

function operatorFile(file: string, bytes: Uint8Array): ObjectiveFile {
  return { name: `custom/${file.split('.')[0]}`, path: `/objectives/${file}`, sha256: file, bytes };
}

type Evaluating = { weights: Weights; forward: BoundForward; programs: LossPrograms };

async function evaluateOn(
  { forward, programs }: Evaluating,
  name: keyof typeof labelsOf,
  { labels = labelsOf[name] as typeof targets, outputs = [] as string[] } = {},
): Promise<Evaluation> {
  const tensors = new Map([
    ['ids', ids],
    ['labels', labels],
  ]);
  const limits = { rowsPerMicroBatchMax: 4, tokensPerMicroBatchMax: 4096 };
  const batch = openBatch({ kind: 'inline', tensors }, graph.inputs, '', limits);
  const objective = findObjective(name);
  const options = { objective, output: 'logits', outputs, perExample: true, isCut: false, programs };
  return evaluate(forward, batch, { ...options, replyBytesMax: 2 ** 20 });
}

async function evaluateOwn(
  { forward, programs }: Evaluating,
  which: keyof typeof OPERATORS,
  labels: Tensor,
  outputs: readonly string[] = [],
): Promise<Evaluation> {
  const tensors = new Map([
    ['ids', ids],
    ['labels', labels],
  ]);
  const limits = { rowsPerMicroBatchMax: 4, tokensPerMicroBatchMax: 4096 };
  const batch = openBatch({ kind: 'inline', tensors }, graph.inputs, '', limits);
  const bound = bindObjective(OPERATORS[which], graph.outputs, {
    ...{ output: '', labels: '', isOfWords: false },
  });
  const options = { bound, outputs, perExample: true, isCut: false, programs, replyBytesMax: 2 ** 20 };
  return evaluate(forward, batch, options);
}

async function open(runtime: CApiRuntime, stack: AsyncDisposableStack): Promise<Evaluating> {
  const { memory } = runtime;
  const session: Session = await runtime.createSession(promote(graph, names));
  stack.defer(() => session.release());
  const movers = memory && stack.use(new Movers(memory, 'gaussian', true));
  const weights = movers ? new DeviceWeights(specs, movers) : new HostWeights(specs, 'gaussian');
  stack.defer(() => weights.release());
  for (const [tensor, name] of names.entries()) weights.load(tensor, initialValues(graph, name));
  const values = weights.values();
  const forward = stack.use(session.bind(specs.map((spec, i) => ({ ...spec, value: values[i] }))));
  return { weights, forward, programs: stack.use(new LossPrograms(runtime)) };
}

describe.each(devices)('an evaluation on %s as a device', (device) => {
  const stack = new AsyncDisposableStack();
  let here: Evaluating;
  let host: Evaluating;
  beforeAll(async () => {
    for (const hasMemory of [true, false]) {
      const runtime = CApiRuntime.open({ device: hasMemory ? device : 'cpu', threads: 1, hasMemory });
      stack.defer(() => runtime.close());
      const opened = await open(runtime, stack);
      if (hasMemory) here = opened;
      else host = opened;
    }
  });
  afterAll(async () => {
    await stack.disposeAsync();
    expect(liveHandles()).toEqual(new Map());
  });

  test.each(['cross_entropy', 'mean_squared_error', 'accuracy'] as const)(
    '%s: losses are those of the host, before a move and after it',
    async (name) => {
      for (const seed of [1n, 2n]) {
        const [got, wanted] = [await evaluateOn(here, name), await evaluateOn(host, name)];
        for (const [i, loss] of wanted.perExampleLosses!.entries())
          expect(Math.abs(got.perExampleLosses![i] - loss)).toBeLessThan(1e-5);
        for (const { weights } of [here, host]) weights.move([{ seed, scale: 0.1, times: 1 }]);
        const moved = await evaluateOn(host, name);
        // The move is seen, where it is to be seen at all.
        if (name !== 'accuracy') expect(Math.abs(moved.loss - wanted.loss)).toBeGreaterThan(1e-4);
      }
      expect(here.weights.digest()).toBe(host.weights.digest());
    },
  );

  test.each([
    ['module', 'mean_squared_error', targets, 1e-5],
    ['graph', 'cross_entropy', classes, 1e-5],
  ] as const)(
    'an objective of the operator, a %s, is %s there as on the host',
    async (which, name, labels, tolerance) => {
      for (const outputs of [[], ['logits']]) {
        const got = await evaluateOwn(here, which, labels, outputs);
        const wanted = await evaluateOn(host, name, { outputs });
        for (const [i, loss] of wanted.perExampleLosses!.entries())
          expect(Math.abs(got.perExampleLosses![i] - loss)).toBeLessThan(tolerance);
        expect(got.outputs?.get('logits')?.shape).toEqual(wanted.outputs?.get('logits')?.shape);
      }
    },
  );

  test('a graph that cannot take what it is given is an error of the evaluation', async () => {
    const labels = int64([ROWS], [0, 1, 2, 0, 1, 2, 0, 30, 0, 1]);
    expect(await message(() => evaluateOwn(host, 'graph', labels))).toMatch(
      /^ZerothError: custom\/likelihood \(likelihood\.onnx\): ONNX Runtime: .*GatherElements/,
    );
  });

  test('outputs that were asked for come back, and are what is scored', async () => {
    const got = await evaluateOn(here, 'cross_entropy', { outputs: ['logits'] });
    const wanted = await evaluateOn(host, 'cross_entropy', { outputs: ['logits'] });
    expect(got.outputs!.get('logits')!.shape).toEqual([ROWS, 3]);
    expect(Math.abs(got.loss - wanted.loss)).toBeLessThan(1e-5);
  });

  test('a label that is no class is named as on the host', async () => {
    const labels = int64([ROWS], [0, 1, 2, 0, 1, 2, 0, 3, 0, 1]);
    const [got, wanted] = await Promise.all(
      [here, host].map((each) => message(() => evaluateOn(each, 'cross_entropy', { labels }))),
    );
    expect(wanted).toMatch(/classes from 0 to 2, got 3 in row 7$/);
    expect(got).toBe(wanted);
  });
});
