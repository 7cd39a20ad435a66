import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { GraphWriter } from '../../server/onnx/graph-writer.ts';
import type { DataType } from '../../server/tensor.ts';
import { doors } from '../support/fixture-server.ts';
import { likelihood, moduleOf, objectiveFolder } from '../support/objective-files.ts';
import { temporaryFolder } from '../support/server-process.ts';
import { openScored, type Scored } from './objective-cases.ts';
import { refusal } from './wire.ts';

const broken = {
  'throwing.ts': moduleOf('const nothing = undefined;\n    return nothing.length;'),
  'short.ts': moduleOf('return new Float64Array(rows - 1);'),
  'texts.ts': moduleOf('return Array(rows).fill("1");'),
  'later.ts': moduleOf('return Promise.resolve(Array(rows).fill(1));'),
  'endless.ts': moduleOf('for (;;);'),
  'exiting.ts': moduleOf('process.exit(3);'),
  'listed.ts': moduleOf('throw [1n];'),
  'mean.ts': moduleOf('return 0.5;'),
  'nameless.ts': moduleOf('const error = new Error(); error.name = Symbol("x"); throw error;'),
  'verbose.ts': moduleOf('throw new Error("x".repeat(1e6));'),
  'trapped.ts': moduleOf('return new Proxy([1], { get() { throw new Error("no"); } });'),
  'large.ts': moduleOf('return "1".repeat(2 ** 30);'),
  'growing.ts': moduleOf(
    'for (const list = []; ; ) list.push(new Float64Array(1e6).fill(1)) > 9 && list.pop();',
  ),
  'half.ts': moduleOf('return [];').replace("'float32'", "'float16'"),
  'scores.ts': moduleOf('return [];').replace('output:', 'scores:'),
  'forgetful.ts': moduleOf('void (async () => { throw 1; })(); return Array(rows).fill(2);'),
  'wide.ts': moduleOf('return [];').replace("'float32' }", "'float32', shape: ['rows', 12] }"),
  'many.onnx': likelihood({ labels: 'int32' }),
  'elsewhere.onnx': likelihood({ input: 'prediction' }),
  'referring.onnx': likelihood({ target: 'reference' }),
  'unscored.onnx': graphOf(['labels', ['rows'], 'int64'], ['Cast', { to: 1 }]),
  'scores-alone.onnx': graphOf(['output', ['rows', 'classes'], 'float32'], ['Identity', {}]),
  'unknown.onnx': graphOf(['output', ['rows', 'classes'], 'float32'], ['Frobnicate', {}]),
  'low.onnx': graphOf(['output', ['rows', 'classes'], 'float16'], ['Cast', { to: 1 }]),
  'long.onnx': graphOf(['output', ['rows', 'length', 'classes'], 'float32'], ['Identity', {}]),
};

/** One node from one input to `loss`. */
function graphOf(
  [name, shape, dataType]: readonly [string, readonly string[], DataType],
  [node, attributes]: readonly [string, Record<string, number>],
): Uint8Array {
  const graph = new GraphWriter(18);
  graph.add(node, [graph.input(name, [...shape], dataType)], attributes, 'loss');
  graph.output('loss', ['rows']);
  return graph.finish();
}

describe.each(doors)('objectives of the operator, %s', (_, open) => {
  const opened = new AsyncDisposableStack();
  let fixture: Scored;
  beforeAll(async () => {
    const folder = opened.use(await temporaryFolder());
    fixture = opened.use(await openScored(open, await objectiveFolder(folder.path, broken)));
  });
  afterAll(() => opened.disposeAsync());

  test.each([
    ['throwing', /^custom\/throwing \(throwing\.ts\): losses threw TypeError: .*undefined.* \(line 5\)$/],
    ['short', 'custom/short (short.ts): losses: expected 7 losses, one for each row, got 6'],
    ['texts', 'custom/texts (texts.ts): losses[0]: expected a number, got "1"'],
    ['later', 'custom/later (later.ts): losses: expected an answer at once, got a promise'],
    ['exiting', /^custom\/exiting \(exiting\.ts\): losses threw Error: process\.exit\(3\) is not for an /],
    ['listed', 'custom/listed (listed.ts): losses threw [1n]'],
    ['mean', 'custom/mean (mean.ts): losses: expected an array of 7 numbers, got 0.5'],
    ['nameless', 'custom/nameless (nameless.ts): losses threw an error that cannot be shown'],
    ['verbose', /^custom\/verbose \(verbose\.ts\): losses threw Error: x{233}\.\.\. \(line 4\)$/],
    ['trapped', 'custom/trapped (trapped.ts): losses threw Error: no (line 4)'],
    ['large', 'custom/large (large.ts): losses threw RangeError: Invalid string length (line 4)'],
    ['growing', 'custom/growing (growing.ts): losses: it took longer than 300 ms (objectiveMsMax)'],
    [
      'scores-alone',
      'custom/scores-alone (scores-alone.onnx): loss: expected 7 losses, one for each row, got float32 [7, 3]',
    ],
    ['unknown', /^custom\/unknown \(unknown\.onnx\): ONNX Runtime: .*No Op registered for Frobnicate/],
    ['endless', 'custom/endless (endless.ts): losses: it took longer than 300 ms (objectiveMsMax)'],
  ])('what goes wrong in a module is an error of that evaluation: %s', async (name, text) => {
    expect(await refusal(fixture.evaluate(`custom/${name}`))).toMatchObject({
      code: 'FAILED_PRECONDITION',
      reason: 'OBJECTIVE_FAILED',
      message: typeof text === 'string' ? text : expect.stringMatching(text),
      metadata: { objective: `custom/${name}`, sha256: expect.stringMatching(/^[0-9a-f]{64}$/) },
    });
    expect(await fixture.losses('custom/macro-f1')).toEqual(await fixture.losses('f1'));
  });

  test('a promise that a module forgets, and that fails, costs no evaluation and no model', async () => {
    for (const _ of [1, 2]) expect(await fixture.losses('custom/forgetful')).toEqual([2, 2, 2]);
  });

  test.each([
    [
      'custom/wide',
      {},
      'objective.output: expected float32 [rows, 12] (custom/wide takes it), got float32 [-1, 3]',
    ],
    [
      'custom/many',
      {},
      'batch.dataset["labels"]: expected int32 [rows] (custom/many takes it), got int64 [7]',
    ],
    [
      'custom/squares',
      {},
      'batch.dataset["labels"]: expected float32 of any shape (custom/squares takes it), got int64 [7]',
    ],
    [
      'custom/elsewhere',
      {},
      'objective.name: expected one that takes an output of the model ("logits"), got custom/elsewhere, which takes "prediction", "labels"',
    ],
    [
      'custom/referring',
      {},
      'batch.dataset: expected a tensor "reference" (custom/referring takes it, and it is no output of the model), got "labels", "x"',
    ],
    [
      'custom/half',
      {},
      'objective.output: expected float16 of any shape (custom/half takes it), got float32 [-1, 3]',
    ],
    [
      'custom/low',
      {},
      'objective.output: expected float16 [rows, classes] (custom/low takes it), got float32 [-1, 3]',
    ],
    [
      'custom/long',
      {},
      'objective.output: expected float32 [rows, length, classes] (custom/long takes it), got float32 [-1, 3]',
    ],
    [
      'custom/scores',
      {},
      'objective.name: output "scores" of custom/scores: expected a model output ("logits"), got "scores"',
    ],
    [
      'custom/unscored',
      {},
      'objective.name: expected one that takes an output of the model ("logits"), got custom/unscored, which takes "labels"',
    ],
    ['custom/weighted', { output: 'logits' }, /^objective\.output: expected none, as custom\/weighted /],
    [
      'custom/squares',
      { output: 'scores' },
      'objective.output: expected a model output ("logits"), got "scores"',
    ],
    [
      'custom/macro-f1',
      { candidates: 'words' },
      'objective.output: expected float32 [rows, sequence, vocabulary], got float32 [-1, 3]',
    ],
  ])('%s with %o does not fit, and says why', async (name, choice, text) => {
    expect(await refusal(fixture.evaluate(name, { objective: { name, ...choice } }))).toMatchObject({
      code: 'INVALID_ARGUMENT',
      message: typeof text === 'string' ? text : expect.stringMatching(text),
    });
  });
});
