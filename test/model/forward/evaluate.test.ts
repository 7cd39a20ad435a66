import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ModelProto } from '../../../proto/gen/onnx/onnx.ts';
import { ZerothError } from '../../../server/errors.ts';
import { openBatch } from '../../../server/model/batch/batch.ts';
import type { BatchSource } from '../../../server/model/batch/columns.ts';
import { type EvaluateOptions, evaluate } from '../../../server/model/forward/evaluate.ts';
import { findObjective } from '../../../server/model/objective/objectives.ts';
import type { Forward } from '../../../server/runtime/runtime.ts';
import {
  exported,
  fixture,
  float32,
  floats,
  int64,
  message,
  type Promoted,
  promoted,
  rowsFor,
  smallMlp,
} from '../models.ts';

const ROWS = 64;

const defaults: EvaluateOptions = {
  objective: findObjective('cross_entropy'),
  output: 'logits',
  perExample: true,
  outputs: [],
  isCut: false,
  replyBytesMax: 1e6,
};

/** All rows in one micro-batch, unless a test wants fewer. */
const limits = (rowsPerMicroBatchMax = ROWS) => ({ rowsPerMicroBatchMax, tokensPerMicroBatchMax: 4096 });

describe('the mean loss of a batch', () => {
  test('is the mean of the losses of its rows, in float64', async () => {
    const model = await promoted(smallMlp());
    const batch = openBatch(source(model, 9), model.graph.inputs, '', limits(4));
    const { loss, examples, perExampleLosses, outputs } = await evaluate(bound(model), batch, {
      ...defaults,
      outputs: ['logits'],
    });
    const logits = outputs!.get('logits')!;
    expect(logits.shape).toEqual([9, 3]);
    const labels = int64([9], [0, 1, 2, 0, 1, 2, 0, 1, 2]);
    const names = { field: '', rowOf: (row: number) => row };
    const expected = defaults.objective.losses(logits, labels, names);
    expect(perExampleLosses).toEqual(expected);
    expect(loss).toBe(expected.reduce((sum, each) => sum + each) / 9);
    expect(examples).toBe(9);
    await model.session.release();
  });

  test('comes with no more than was asked for', async () => {
    const model = await promoted(smallMlp());
    const batch = openBatch(source(model), model.graph.inputs, '', limits());
    const evaluation = await evaluate(bound(model), batch, { ...defaults, perExample: false });
    expect(Object.keys(evaluation)).toEqual(['loss', 'examples']);
    await model.session.release();
  });

  test('an elementwise model: not a bit depends on the size of micro-batches', async () => {
    const model = await promoted(elementwise());
    const at = (rowsMax: number) => {
      const batch = openBatch(source(model), model.graph.inputs, '', limits(rowsMax));
      return evaluate(bound(model), batch, { ...defaults, outputs: ['logits'] });
    };
    const whole = await at(64);
    expect(whole.loss).toBeGreaterThan(0);
    expect(await at(1)).toEqual(whole);
    expect(await at(7)).toEqual(whole);
    await model.session.release();
  });

  // A matrix product of one row, of seven and of 64 are different kernels, which sum in different
  // orders: logits of about 1 differ by up to 2^-23, mean losses by up to 4e-9.
  test.each(exported.filter((name) => name !== 'helper-ir3'))(
    '%s: the size of micro-batches changes rounding only',
    async (name) => {
      const model = await promoted(fixture(name));
      const output = name === 'sklearn-mlp' ? 'probabilities' : 'logits';
      const at = (rowsMax: number) => {
        const batch = openBatch(source(model), model.graph.inputs, '', limits(rowsMax));
        return evaluate(bound(model), batch, { ...defaults, output, outputs: [output] });
      };
      const whole = await at(64);
      const wanted = floats(whole.outputs!.get(output)!);
      expect(await at(64)).toEqual(whole);
      for (const part of [await at(1), await at(7)]) {
        const differences = floats(part.outputs!.get(output)!).map((value, i) => Math.abs(value - wanted[i]));
        expect(Math.max(...differences)).toBeLessThanOrEqual(2 ** -22);
        expect(Math.abs(part.loss - whole.loss)).toBeLessThan(1e-7);
      }
      await model.session.release();
    },
  );

  test('a weight that is NaN gives a loss that is NaN', async () => {
    const model = await promoted(smallMlp());
    model.weights[3].value[0] = Number.NaN;
    const batch = openBatch(source(model), model.graph.inputs, '', limits());
    expect((await evaluate(bound(model), batch, defaults)).loss).toBeNaN();
    await model.session.release();
  });

  test('what is thrown before a micro-batch ends the evaluation there', async () => {
    const model = await promoted(smallMlp());
    const batch = openBatch(source(model), model.graph.inputs, '', limits(1));
    let begun = 0;
    const onMicroBatch = () => {
      if (++begun === 3) throw new ZerothError('cancelled', 'the caller has gone');
    };
    const options = { ...defaults, onMicroBatch };
    const text = await message(() => evaluate(bound(model), batch, options));
    expect(text).toBe('ZerothError: the caller has gone');
    expect(begun).toBe(3);
    await model.session.release();
  });
});

describe('evaluations that are refused', () => {
  let model: Promoted;
  beforeAll(async () => {
    model = await promoted(smallMlp());
  });
  afterAll(() => model.session.release());

  test('a label that is no class is named with its row', async () => {
    const labels = source(model, 12, (row) => (row === 9 ? 7 : 0));
    const batch = openBatch(labels, model.graph.inputs, '', limits(4));
    expect(await message(() => evaluate(bound(model), batch, defaults))).toBe(
      'ZerothError: batch.inline.tensors["labels"]: expected classes from 0 to 2, got 7 in row 9',
    );
  });

  test('labels that do not fit the output', async () => {
    const batch = openBatch(source(model), model.graph.inputs, '', limits());
    const options = { ...defaults, objective: findObjective('mean_squared_error') };
    expect(await message(() => evaluate(bound(model), batch, options))).toBe(
      'ZerothError: batch.inline.tensors["labels"]: expected float32 or float64 labels [64, 3], got int64 [64]',
    );
  });

  test('outputs beyond the bound, before they are all computed', async () => {
    const batch = openBatch(source(model), model.graph.inputs, '', limits(8));
    let runs = 0;
    const options: EvaluateOptions = {
      ...defaults,
      outputs: ['logits'],
      replyBytesMax: 767,
      onMicroBatch: () => runs++,
    };
    expect(await message(() => evaluate(bound(model), batch, options))).toBe(
      'ZerothError: outputs: expected at most 767 bytes a point, got 768; ask for fewer points, rows or outputs',
    );
    expect(runs).toBe(1);
    await expect(evaluate(bound(model), batch, options)).rejects.toMatchObject({ kind: 'exhausted' });
    expect((await evaluate(bound(model), batch, { ...options, replyBytesMax: 768 })).examples).toBe(64);
  });

  test('outputs without a row for each example', async () => {
    const turned = await promoted(withTransposedLogits());
    const batch = openBatch(source(turned), turned.graph.inputs, '', limits());
    const scored = { ...defaults, output: 'turned' };
    expect(await message(() => evaluate(bound(turned), batch, scored))).toBe(
      'ZerothError: objective.output: expected a row for each of 64 examples, got float32 [3, 64]',
    );
    const asked = { ...defaults, outputs: ['turned'] };
    expect(await message(() => evaluate(bound(turned), batch, asked))).toBe(
      'ZerothError: outputs: expected "turned" with a row for each of 64 examples, got float32 [3, 64]',
    );
    await turned.session.release();
  });

  test('ids that the embedding does not have', async () => {
    const transformer = await promoted(fixture('torch-transformer'));
    const ids = int64([1, 5], [0, 1, 2, 3, 20]);
    const tensors = new Map([
      ['ids', ids],
      ['labels', int64([1], [0])],
    ]);
    const { inputs } = transformer.graph;
    expect(await message(() => openBatch({ kind: 'inline', tensors }, inputs, '', limits()))).toBe(
      'ZerothError: batch.inline.tensors["ids"]: expected entries from 0 to 19, rows of "embedding.weight", got 20 in row 0',
    );
    await transformer.session.release();
  });
});

/** Rows for every input, and labels that are classes of a model with three. */
function source({ graph }: Promoted, rows = ROWS, labelOf = (row: number) => row % 3): BatchSource {
  const inputs = graph.inputs.map((input) => [input.name, rowsFor(input, rows)] as const);
  const labels = Array.from({ length: rows }, (_, row) => labelOf(row));
  return { kind: 'inline', tensors: new Map([...inputs, ['labels', int64([rows], labels)]]) };
}

function bound({ session, weights }: Promoted): Forward {
  return session.bind(weights);
}

/** logits = x * w, element by element. */
function elementwise(): Uint8Array {
  const model = ModelProto.decode(smallMlp());
  const graph = model.graph!;
  const [, , , bias] = graph.initializer;
  const values = float32([3], [0.3, -1.7, 2.9]);
  graph.initializer = [{ ...bias, name: 'w', rawData: Buffer.from(values.data) }];
  graph.input[0].type!.tensorType!.shape!.dim[1] = { dimValue: 3n };
  graph.node = [{ ...graph.node[1], opType: 'Mul', input: ['x', 'w'], output: ['logits'] }];
  return ModelProto.encode(model).finish();
}

/** The small perceptron with a further output `turned` [3, n]. */
function withTransposedLogits(): Uint8Array {
  const model = ModelProto.decode(smallMlp());
  const graph = model.graph!;
  graph.node.push({ ...graph.node[1], name: '', opType: 'Transpose', input: ['logits'], output: ['turned'] });
  graph.output.push({ name: 'turned', type: { tensorType: { elemType: 1 } }, metadataProps: [] });
  return ModelProto.encode(model).finish();
}
