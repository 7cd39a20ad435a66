// Objectives as graphs, on the CPU; the device suite runs the same cases where the output lies.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ModelProto } from '../../../proto/gen/onnx/onnx.ts';
import type { Objective } from '../../../server/model/objective/objective.ts';
import { findObjective, objectiveNames } from '../../../server/model/objective/objectives.ts';
import type { Session } from '../../../server/runtime/runtime.ts';
import type { Tensor } from '../../../server/tensor.ts';
import { createSession } from '../../support/sessions.ts';
import { float32, floats, int64, message, tensor } from '../models.ts';
import { expectClose, objectiveCases } from './objective-cases.ts';

const names = { field: 'batch.inline.tensors["labels"]', rowOf: (row: number) => 100 + row };
const withDevice = objectiveNames
  .map((name) => findObjective(name))
  .filter(({ device }) => device !== undefined);

/** As profiles of ONNX Runtime 1.30 have it, for float32 and int32; Constant, Shape and what is done to a shape cost nothing. */
const onWebGpu = [
  ...['Abs', 'Add', 'Cast', 'Exp', 'Flatten', 'GatherElements', 'Greater', 'GreaterOrEqual', 'Less', 'Log'],
  ...['Mul', 'Range', 'Reciprocal', 'ReduceMax', 'ReduceMean', 'ReduceSum', 'Squeeze', 'Sub', 'Where'],
  ...['Constant', 'Shape'],
];

function toDevice({ device }: Objective, output: Tensor, labels: Tensor): Tensor {
  return device!.labels(labels, { dataType: output.dataType, shape: output.shape }, names);
}

describe.each(withDevice.map((each) => [each.name, each] as const))('%s as a graph', (name, objective) => {
  let session: Session;
  beforeAll(async () => {
    session = await createSession(objective.device!.graph('float32'));
  });
  afterAll(() => session.release());

  test('takes an output and labels, and gives losses', () => {
    expect(session.inputs).toEqual(['output', 'labels']);
    expect(session.outputs).toEqual(['losses']);
  });

  test('has only operators that run where the output lies', () => {
    const { graph } = ModelProto.decode(objective.device!.graph('float32'));
    const operators = graph!.node.map(({ opType = '' }) => opType);
    expect(operators.filter((each) => !onWebGpu.includes(each))).toEqual([]);
  });

  const cases = objectiveCases.filter((each) => each.objective === name);
  test.each(cases)('is the same as on the host: $about', async ({ batches }) => {
    for (const { output, labels } of batches) {
      const feeds = { output, labels: toDevice(objective, output, labels) };
      const { losses } = await session.run(feeds, ['losses']);
      expect(losses.dataType).toBe('float32');
      expect(losses.shape).toEqual([output.shape[0]]);
      expectClose(floats(losses), objective.losses(output, labels, names));
    }
  });
});

describe('labels for a graph', () => {
  const scores = float32([2, 3], [1, 2, 3, 4, 5, 6]);

  test.each(['cross_entropy', 'accuracy'])('%s: the same error where a label is no class', async (name) => {
    const objective = findObjective(name);
    const wrong = [3n, -1n, 2n ** 32n, -(2n ** 63n)].map((label) => BigInt64Array.of(0n, label));
    for (const values of wrong) {
      const labels = tensor('int64', [2], values);
      const onHost = await message(() => objective.losses(scores, labels, names));
      expect(onHost).toContain('expected classes from 0 to 2, got');
      expect(await message(() => toDevice(objective, scores, labels))).toBe(onHost);
    }
  });

  test.each([int64([2], [0, 2]), int64([2, 1], [0, 2]), tensor('int32', [2], Int32Array.of(0, 2))])(
    'classes are an int32 column',
    (labels) => {
      const column = tensor('int32', [2, 1], Int32Array.of(0, 2));
      expect(toDevice(findObjective('cross_entropy'), scores, labels)).toEqual(column);
    },
  );

  test('targets are rows of float32', () => {
    const targets = Float64Array.of(1, 0.1, 3, 4, 5, 6);
    const output = float32([2, 3, 1], [1, 2, 3, 4, 5, 6]);
    const labels = tensor('float64', [2, 3, 1], targets);
    expect(toDevice(findObjective('mean_squared_error'), output, labels)).toEqual(float32([2, 3], targets));
  });
});
