// Objectives that score positions of sequences: what they take for a label, and their graph beside the host.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { exactMatch } from '../../../server/model/objective/exact-match.ts';
import { causalLm, maskedLm, meansOf } from '../../../server/model/objective/token-loss.ts';
import { CApiRuntime } from '../../../server/runtime/capi/capi.ts';
import { elements, type Tensor } from '../../../server/tensor.ts';
import { devices } from '../../support/devices.ts';
import { float32, int64, message } from '../models.ts';
import { expectClose } from './objective-cases.ts';

const [ROWS, SEQUENCE, VOCABULARY] = [3, 5, 11];
const names = { field: 'labels', rowOf: (row: number) => 10 + row };

const logits = float32(
  [ROWS, SEQUENCE, VOCABULARY],
  Array.from({ length: ROWS * SEQUENCE * VOCABULARY }, (_, i) => 5 * Math.sin(i * 1.7)),
);
const NONE = -100;
const labels = [[3, 4, NONE, 5, 6], [NONE, 7, NONE, NONE, NONE], [0, 1, 2, 3, 10]].flat(); // biome-ignore format: rows

describe('what is scored', () => {
  test('masked_lm: every position that has a label, by it', () => {
    const { positions, targets, counts } = maskedLm.tokens!.select(labelled(labels), logits, names);
    expect([...positions]).toEqual([0, 1, 3, 4, 6, 10, 11, 12, 13, 14]);
    expect([...targets]).toEqual([3, 4, 5, 6, 7, 0, 1, 2, 3, 10]);
    expect([...counts]).toEqual([4, 1, 5]);
  });

  test('causal_lm: every position before one that has a label, by that', () => {
    const { positions, targets, counts } = causalLm.tokens!.select(labelled(labels), logits, names);
    expect([...positions]).toEqual([0, 2, 3, 5, 10, 11, 12, 13]);
    expect([...targets]).toEqual([4, 5, 6, 7, 1, 2, 3, 10]);
    expect([...counts]).toEqual([3, 1, 4]);
  });

  test('the loss of an example is the mean over its positions', () => {
    expect(meansOf(Float64Array.of(1, 2, 6, 5), Int32Array.of(3, 1))).toEqual(Float64Array.of(3, 5));
  });
});

describe('what is refused', () => {
  const changed = (at: number, label: number) => labelled(labels.with(at, label));
  test.each([
    [
      'a token beyond the vocabulary',
      changed(7, VOCABULARY),
      'labels: expected tokens from 0 to 10, or -100 where there is none, got 11 in row 11',
    ],
    [
      'another negative number',
      changed(0, -1),
      'labels: expected tokens from 0 to 10, or -100 where there is none, got -1 in row 10',
    ],
    [
      'a row without a label',
      changed(6, NONE),
      'labels: expected a token to predict in every row, got none in row 11',
    ],
  ])('%s, by its row', async (_, given, expected) => {
    expect(await message(() => maskedLm.losses(logits, given, names))).toBe(`ZerothError: ${expected}`);
  });

  test('a row whose only label is its first token, which nothing predicts', async () => {
    const first = labelled(labels.with(6, NONE).with(5, 7));
    expect(await message(() => causalLm.losses(logits, first, names))).toMatch(/got none in row 11$/);
  });

  test.each([
    [{ dataType: 'int64', shape: [3] }, 'int64 or int32 labels [rows, 5], got int64 [3]'],
    [{ dataType: 'int64', shape: [3, 4] }, 'int64 or int32 labels [rows, 5], got int64 [3, 4]'],
    [{ dataType: 'float32', shape: [3, 5] }, 'int64 or int32 labels [rows, 5], got float32 [3, 5]'],
  ] as const)('labels %j', async (given, expected) => {
    expect(await message(() => maskedLm.checkLabels(given, logits, 'labels'))).toBe(
      `ZerothError: labels: expected ${expected}`,
    );
  });

  test('scores for whole rows', async () => {
    expect(await message(() => causalLm.checkOutput({ dataType: 'float32', shape: [3, 5] }))).toBe(
      'ZerothError: objective.output: expected float32 [rows, sequence, vocabulary], got float32 [3, 5]',
    );
  });
});

describe.each(devices)('as a graph on %s', (device) => {
  let runtime: CApiRuntime;
  beforeAll(() => {
    runtime = CApiRuntime.open({ device, threads: 1 });
  });
  afterAll(() => runtime.close());

  test.each([causalLm, maskedLm, exactMatch])('$name: losses are those of the host', (objective) => {
    const { graph, select, ofExamples } = objective.tokens!;
    for (const dataType of ['float32', 'float16'] as const) {
      // WebGPU has half precision where the adapter does.
      if (device === 'webgpu' && dataType === 'float16') continue;
      const output = dataType === 'float32' ? logits : half(logits);
      using program = runtime.program(graph(dataType, 'whole'), { isStrict: false });
      const { positions, targets, counts } = select(labelled(labels), output, names);
      const inputs = {
        output,
        positions: int32([positions.length], positions),
        targets: int32([targets.length, 1], targets),
      };
      const losses = elements(program.call(inputs, 'losses'), Float32Array, 4);
      expectClose(
        Float32Array.from(ofExamples(losses, counts)),
        objective.losses(output, labelled(labels), names),
      );
    }
  });

  test('exact_match: of equal scores the first counts, and NaN is no answer', () => {
    const values = [[1, 2, 2], [2, 2, 1], [0, 0, 0], [1, Number.NaN, 0], [3, 0, Number.NEGATIVE_INFINITY]].flat(); // biome-ignore format: rows
    const output = float32([1, 5, 3], values);
    const targets = Int32Array.of(2, 0, 1, 0, 0);
    using program = runtime.program(exactMatch.tokens!.graph('float32', 'whole'), { isStrict: false });
    const inputs = {
      output,
      positions: int32([5], Int32Array.of(0, 1, 2, 3, 4)),
      targets: int32([5, 1], targets),
    };
    expect([...elements(program.call(inputs, 'losses'), Float32Array, 4)]).toEqual([1, 0, 1, Number.NaN, 0]);
  });
});

function labelled(values: readonly number[]): Tensor {
  return int64([ROWS, SEQUENCE], values);
}

function int32(shape: readonly number[], values: Int32Array): Tensor {
  return { dataType: 'int32', shape, data: new Uint8Array(values.buffer) };
}

function half({ shape, data }: Tensor): Tensor {
  const values = Float16Array.from(new Float32Array(data.buffer, data.byteOffset, data.byteLength / 4));
  return { dataType: 'float16', shape, data: new Uint8Array(values.buffer) };
}
