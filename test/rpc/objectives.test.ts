// Objectives of the operator, from files of a folder to answers: modules and an ONNX file beside what they have to be equal to, and what goes
// wrong in them.
import { execFile } from 'node:child_process';
import { mkdir, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { toBatch } from '../../client/convert.ts';
import { toTensor } from '../../client/tensor.ts';
import { BatchKind, TrainingState } from '../../proto/gen/zeroth/v1/training_service.ts';
import { GraphWriter } from '../../server/onnx/graph-writer.ts';
import type { DataType } from '../../server/tensor.ts';
import { CLASSES, doors, type Fixture, OBJECTIVE, ROWS, tinyData } from '../support/fixture-server.ts';
import { likelihood, moduleOf, objectiveFolder } from '../support/objective-files.ts';
import { temporaryFolder } from '../support/server-process.ts';
import { near, refusal, shift } from './wire.ts';

const RUN = 'runs/scored';
/** Seven rows a pass: 40 rows take six, the last one shorter. */
const FLAGS = ['--rows-per-micro-batch-max', '7', '--objective-ms-max', '300'];

const broken = {
  'throwing.ts': moduleOf('const nothing = undefined;\n    return nothing.length;'),
  'short.ts': moduleOf('return new Float64Array(rows - 1);'),
  'texts.ts': moduleOf('return Array(rows).fill("1");'),
  'later.ts': moduleOf('return Promise.resolve(Array(rows).fill(1));'),
  'endless.ts': moduleOf('for (;;);'),
  'infinite.ts': moduleOf('return Array(rows).fill(0).map((_, i) => (i === 3 ? Infinity : 1));'),
  'nothing.ts': moduleOf('return Array(rows).fill(NaN);'),
  'scribbler.ts': moduleOf('outputs.output.data.fill(1); return Array(rows).fill(1);'),
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
  'half-empty.ts': `export default {
    ...{ outputs: { output: { dataType: 'float32' } }, labels: {}, losses: undefined },
    ...{ start: () => 0, add: (count, outputs, labels, rows) => count + rows, merge: (a, b) => a + b, loss: (count) => count },
  };`,
  'unparsable.ts': 'export default { losses(: number) };',
  'untitled.ts': 'export const objective = 1;',
  'halved.js':
    "export default { outputs: { output: { dataType: 'float32' } }, labels: {}, start() {}, loss() {} };",
  'typed.mjs': "export default { outputs: { output: { dataType: 'float8' } }, labels: {}, losses() {} };",
  'stuck.ts': 'for (;;);',
  'quitting.ts': 'process.exit(3);',
  'two words.ts': moduleOf('return [];'),
  'twice.ts': moduleOf('return [];'),
  'twice.mjs': moduleOf('return [];'),
  'wide.ts': moduleOf('return [];').replace("'float32' }", "'float32', shape: ['rows', 12] }"),
  'many.onnx': likelihood({ labels: 'int32' }),
  'renamed.onnx': likelihood({ output: 'losses' }),
  'elsewhere.onnx': likelihood({ input: 'prediction' }),
  'referring.onnx': likelihood({ target: 'reference' }),
  'torn.onnx': likelihood().subarray(0, 40),
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
  let folder: Awaited<ReturnType<typeof temporaryFolder>>;
  let fixture: Fixture;
  let objectives: string;

  const evaluate = async (name: string, more: object = {}) => {
    const points = [near(), near(shift(3n, 0.3)), near(shift(4n, -0.2))];
    const request = { run: RUN, points, batch: toBatch(fixture.dataset), objective: { name }, ...more };
    const { results } = await fixture.zeroth.oracle.evaluate(request as never);
    return results;
  };
  const losses = async (name: string, more: object = {}) =>
    (await evaluate(name, more)).map(({ loss }) => loss);

  beforeAll(async () => {
    folder = await temporaryFolder();
    objectives = await objectiveFolder(folder.path, broken);
    // A link is the file that it leads to, under its own name.
    await writeFile(join(folder.path, 'second.ts'), moduleOf('return Array(rows).fill(5);'));
    await symlink(join(folder.path, 'second.ts'), join(objectives, 'linked.ts'));
    await promisify(execFile)('mkfifo', [join(objectives, 'pipe.ts')]);
    await mkdir(join(objectives, 'folder.onnx'));
    fixture = await open([...FLAGS, '--objective-dir', objectives]);
    await fixture.zeroth.runs.create({ model: fixture.model, runId: 'scored', objective: OBJECTIVE });
  });
  afterAll(async () => {
    await fixture[Symbol.asyncDispose]();
    await folder[Symbol.asyncDispose]();
  });

  test('losses of a module are those of mean_squared_error, bit for bit', async () => {
    const targets = Float32Array.from({ length: ROWS * CLASSES }, (_, i) => Math.cos(i));
    const tensors = { x: tinyData().x, labels: toTensor(targets, [ROWS, CLASSES]) };
    const batch = { source: { $case: 'inline', value: { tensors } } };
    const more = { batch, perExampleLosses: true, outputs: ['logits'] };
    const [own, ours] = [await evaluate('custom/squares', more), await evaluate('mean_squared_error', more)];
    expect(own).toEqual(ours);
    expect(own[0].perExampleLosses).toHaveLength(ROWS);
    expect(own[0].loss).not.toBe(own[1].loss);
  });

  test('statistics of a module, merged over micro-batches, come to f1', async () => {
    expect(await losses('custom/macro-f1')).toEqual(await losses('f1'));
    expect(await refusal(evaluate('custom/macro-f1', { perExampleLosses: true }))).toMatchObject({
      code: 'INVALID_ARGUMENT',
      message: 'per_example_losses: expected an objective with a loss for each example, got custom/macro-f1',
    });
  });

  test('an ONNX file gives cross_entropy in float32', async () => {
    for (const outputs of [[], ['logits']]) {
      const [own, ours] = [
        await evaluate('custom/likelihood', { perExampleLosses: true, outputs }),
        await evaluate('cross_entropy', { perExampleLosses: true, outputs }),
      ];
      for (const [i, { perExampleLosses, loss, outputs: returned }] of own.entries()) {
        expect(loss).toBeCloseTo(ours[i].loss, 6);
        for (const [row, each] of perExampleLosses.entries())
          expect(Math.abs(each - ours[i].perExampleLosses[row])).toBeLessThan(1e-6);
        expect(returned).toEqual(ours[i].outputs);
      }
    }
  });

  test('other tensors of the batch are handed over too, for the rows that were asked for', async () => {
    const weight = Float32Array.from({ length: ROWS }, (_, i) => i);
    const tensors = { ...tinyData(), weight: toTensor(weight, [ROWS]) };
    const { dataset } = await fixture.zeroth.datasets.create(tensors);
    const rows = [0, 7, 30, 8, 9, 10, 11, 12, 39];
    const more = { perExampleLosses: true, outputs: ['logits'], batch: toBatch(dataset.name, rows) };
    const [{ perExampleLosses, outputs }] = await evaluate('custom/weighted', more);
    const { data } = outputs.logits;
    const expected = rows.map(
      (row, i) => row * Math.abs(data.readFloatLE(4 * CLASSES * i) - (row % CLASSES)),
    );
    expect(perExampleLosses).toEqual(expected);
    expect(await refusal(evaluate('custom/weighted'))).toMatchObject({
      message: 'batch.dataset: expected a tensor "weight" (custom/weighted takes it), got "labels", "x"',
    });
  });

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
    expect(await refusal(evaluate(`custom/${name}`))).toMatchObject({
      code: 'FAILED_PRECONDITION',
      reason: 'OBJECTIVE_FAILED',
      message: typeof text === 'string' ? text : expect.stringMatching(text),
      metadata: { objective: `custom/${name}`, sha256: expect.stringMatching(/^[0-9a-f]{64}$/) },
    });
    expect(await losses('custom/macro-f1')).toEqual(await losses('f1'));
  });

  test('numbers that are not finite are the loss of that evaluation', async () => {
    const [first] = await evaluate('custom/infinite');
    expect(first).toMatchObject({ loss: Number.POSITIVE_INFINITY, finite: false });
    expect((await evaluate('custom/nothing'))[0]).toMatchObject({ loss: Number.NaN, finite: false });
  });

  test('a promise that a module forgets, and that fails, costs no evaluation and no model', async () => {
    for (const _ of [1, 2]) expect(await losses('custom/forgetful')).toEqual([2, 2, 2]);
  });

  test('functions decide what a module is, whatever other properties it has', async () => {
    expect(await losses('custom/half-empty')).toEqual([ROWS, ROWS, ROWS]);
  });

  test('a link in the folder is followed, and a content that has changed since is not read', async () => {
    await writeFile(join(folder.path, 'second.ts'), moduleOf('return Array(rows).fill(6);'));
    expect(await losses('custom/linked')).toEqual([5, 5, 5]);
    await fixture.zeroth.models.load('mlp.onnx', { modelId: 'late' });
    const { name: run } = await fixture.zeroth.runs.create({
      model: 'models/late',
      objective: { name: 'accuracy' },
    });
    expect(await losses('custom/linked', { run })).toEqual([5, 5, 5]);
  });

  test('a module that writes into what it is given changes nothing but that', async () => {
    const [own] = await evaluate('custom/scribbler', { outputs: ['logits'] });
    const [ours] = await evaluate('accuracy', { outputs: ['logits'] });
    expect(own.outputs).toEqual(ours.outputs);
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
    expect(await refusal(evaluate(name, { objective: { name, ...choice } }))).toMatchObject({
      code: 'INVALID_ARGUMENT',
      message: typeof text === 'string' ? text : expect.stringMatching(text),
    });
  });

  test('one that is not there is refused with the names of all that are', async () => {
    for (const name of ['custom/missing', 'custom/unparsable', 'squares'])
      expect(await refusal(evaluate(name))).toMatchObject({
        code: 'UNIMPLEMENTED',
        message: expect.stringMatching(/^objective\.name: expected one of cross_entropy.* custom\/squares/),
      });
    const request = { model: fixture.model, objective: { name: 'custom/wide' } };
    expect(await refusal(fixture.zeroth.runs.create(request))).toMatchObject({ code: 'INVALID_ARGUMENT' });
  });

  test('the server lists what they need, and why others are none', async () => {
    const info = await fixture.zeroth.info();
    expect(info.objectives).toContain('custom/squares');
    expect(info.objectives).not.toContain('custom/unparsable');
    const byName = new Map(info.customObjectives.map((each) => [each.name, each]));
    expect(byName.get('custom/macro-f1')).toMatchObject({
      file: 'macro-f1.ts',
      description: '1 - F1: of class 1 where there are two, else the mean over classes.',
      needs: [
        { name: 'output', source: 1, dataTypes: [1], shape: ['rows', 'classes'] },
        { name: 'labels', source: 2, shape: ['rows'] },
      ],
      perExample: false,
      error: '',
    });
    expect(byName.get('custom/likelihood')).toMatchObject({
      file: 'likelihood.onnx',
      needs: [
        { name: 'output', source: 0, shape: ['rows', 'classes'] },
        { name: 'labels', source: 0, shape: ['rows'] },
      ],
      perExample: true,
    });
    const errors = Object.fromEntries(
      info.customObjectives.filter(({ error }) => error !== '').map(({ name, error }) => [name, error]),
    );
    expect(errors).toEqual({
      'custom/unparsable': expect.stringMatching(
        /^custom\/unparsable \(unparsable\.ts\): it cannot be imported: SyntaxError: /,
      ),
      'custom/untitled':
        'custom/untitled (untitled.ts): its default export: expected an objective (docs/objectives.md), got none, but "objective"',
      'custom/halved':
        'custom/halved (halved.js): its functions: expected either losses, or start, add, merge, loss, got start, loss',
      'custom/typed': expect.stringMatching(
        /^custom\/typed \(typed\.mjs\): outputs\.output\.dataType: expected one of float32, .*, got "float8"$/,
      ),
      'custom/stuck': 'custom/stuck (stuck.ts): it was not imported within 300 ms (objectiveMsMax)',
      'custom/quitting': expect.stringMatching(
        /^custom\/quitting \(quitting\.ts\): it cannot be imported: Error: process\.exit\(3\) is not for an objective/,
      ),
      'custom/two words': expect.stringContaining('expected a file name of letters, digits'),
      'custom/pipe': 'custom/pipe (pipe.ts): expected a file, got something else',
      'custom/folder': 'custom/folder (folder.onnx): expected a file, got something else',
      'custom/twice': 'custom/twice (twice.mjs): expected one file of this name, got twice.mjs, twice.ts',
      'custom/renamed': 'custom/renamed (renamed.onnx): expected an output "loss", got "losses"',
      'custom/torn': expect.stringMatching(/^custom\/torn \(torn\.onnx\): expected an ONNX model, got /),
    });
  });

  test('a training takes them by name, and ends where they fail', async () => {
    const { name: run } = await fixture.zeroth.runs.create({
      model: fixture.model,
      objective: { name: 'custom/macro-f1' },
    });
    const plan = {
      dataset: fixture.dataset,
      batchSize: 20,
      strategy: { kind: { $case: 'mezo', value: { learningRate: 1e-2, seed: 1n } } },
      budget: { $case: 'steps', value: 4n },
      evaluation: { dataset: fixture.dataset, every: 2n, objective: { name: 'custom/likelihood' } },
    } as const;
    const follow = async (objective?: { name: string }) => {
      const { name } = await fixture.zeroth.trainings.start({ run, plan: { ...plan, objective } as never });
      const kinds: number[] = [];
      for await (const { event } of fixture.zeroth.trainings.watch(name))
        if (event?.$case === 'step') kinds.push(event.value.batch);
      return { kinds, ...(await fixture.zeroth.trainings.get(name)) };
    };
    expect(await follow()).toMatchObject({
      kinds: Array(4).fill(BatchKind.BATCH_KIND_MINI),
      state: TrainingState.TRAINING_STATE_COMPLETED,
      lastEvaluation: { step: 4n },
    });
    expect(await refusal(follow({ name: 'custom/throwing' }))).toMatchObject({ reason: 'OBJECTIVE_FAILED' });
  });
});

describe('a folder that changes', () => {
  const constant = (value: number) => moduleOf(`return Array(rows).fill(${value});`);

  test('is read again on request: what is no objective any more leaves the old one, for models loaded later too', async () => {
    await using folder = await temporaryFolder();
    const dir = await objectiveFolder(folder.path, { 'fixed.ts': constant(1) });
    await using fixture = await doors[0][1](['--objective-dir', dir]);
    const { zeroth } = fixture;
    const objective = { name: 'custom/fixed' };
    const { name: run, objectiveSha256 } = await zeroth.runs.create({ model: fixture.model, objective });
    const lossOf = async (of = run) => {
      const batch = toBatch(fixture.dataset);
      return (await zeroth.oracle.evaluate({ run: of, points: [{}], batch })).results[0].loss;
    };
    const infoOf = async () =>
      (await zeroth.info()).customObjectives.find(({ name }) => name === objective.name);
    expect(await lossOf()).toBe(1);
    expect((await infoOf())?.sha256).toBe(objectiveSha256);

    await writeFile(join(dir, 'fixed.ts'), constant(2));
    await writeFile(join(dir, 'likelihood.onnx'), likelihood({ scale: 2 }));
    expect(await lossOf()).toBe(1);
    const reloaded = await zeroth.reloadObjectives();
    expect(reloaded.map(({ name, error }) => [name, error])).toContainEqual(['custom/fixed', '']);
    expect(await lossOf()).toBe(2);
    expect((await infoOf())?.sha256).not.toBe(objectiveSha256);
    expect((await zeroth.runs.get(run)).objectiveSha256).toBe(objectiveSha256);
    const doubled = async (name: string) => {
      const request = { run, points: [{}], batch: toBatch(fixture.dataset), objective: { name } };
      return (await zeroth.oracle.evaluate(request)).results[0].loss;
    };
    expect(await doubled('custom/likelihood')).toBeCloseTo(2 * (await doubled('cross_entropy')), 5);

    await writeFile(join(dir, 'fixed.ts'), 'export default {');
    const failed = (await zeroth.reloadObjectives()).find(({ name }) => name === objective.name);
    expect(failed).toMatchObject({
      error: expect.stringContaining('SyntaxError'),
      sha256: expect.stringMatching(/^.{64}$/),
    });
    expect(await lossOf()).toBe(2);
    await zeroth.models.load('mlp.onnx', { modelId: 'later' });
    const later = await zeroth.runs.create({ model: 'models/later', objective });
    expect(await lossOf(later.name)).toBe(2);

    await rm(join(dir, 'fixed.ts'));
    await zeroth.reloadObjectives();
    expect(await refusal(lossOf())).toMatchObject({ code: 'UNIMPLEMENTED' });
  });

  test('a server without one says so', async () => {
    await using fixture = await doors[0][1]();
    expect(await refusal(fixture.zeroth.reloadObjectives())).toMatchObject({
      code: 'UNIMPLEMENTED',
      message: 'objectiveDir: expected a folder of objectives, got none; --objective-dir names one',
    });
  });
});

test.each([
  [['--objective-dir', './nowhere-at-all'], /^objectiveDir: expected a folder that can be read, got /],
  [
    ['--objective-dir', './server/model', '--objectives-max', '1'],
    /^objectiveDir: expected at most 1 file \(objectivesMax\), got /,
  ],
])('a server does not start with %j', async (flags, text) => {
  await expect(doors[0][1](flags)).rejects.toThrow(text);
});
