// The folder of an operator's objectives: what of it is one, what is not and why, and how it is read again.
import { execFile } from 'node:child_process';
import { mkdir, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { toBatch } from '../../client/convert.ts';
import { doors, startFixture } from '../support/fixture-server.ts';
import { likelihood, moduleOf, objectiveFolder } from '../support/objective-files.ts';
import { temporaryFolder } from '../support/server-process.ts';
import { openScored, type Scored } from './objective-cases.ts';
import { refusal } from './wire.ts';

const files = {
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
  'renamed.onnx': likelihood({ output: 'losses' }),
  'torn.onnx': likelihood().subarray(0, 40),
  'wide.ts': moduleOf('return [];').replace("'float32' }", "'float32', shape: ['rows', 12] }"),
};

describe.each(doors)('objectives of the operator, %s', (_, open) => {
  const opened = new AsyncDisposableStack();
  let fixture: Scored;
  let second: string;
  beforeAll(async () => {
    const folder = opened.use(await temporaryFolder());
    const objectives = await objectiveFolder(folder.path, files);
    // A link is the file that it leads to, under its own name.
    second = join(folder.path, 'second.ts');
    await writeFile(second, moduleOf('return Array(rows).fill(5);'));
    await symlink(second, join(objectives, 'linked.ts'));
    await promisify(execFile)('mkfifo', [join(objectives, 'pipe.ts')]);
    await mkdir(join(objectives, 'folder.onnx'));
    fixture = opened.use(await openScored(open, objectives));
  });
  afterAll(() => opened.disposeAsync());

  test('a link in the folder is followed, and a content that has changed since is not read', async () => {
    await writeFile(second, moduleOf('return Array(rows).fill(6);'));
    expect(await fixture.losses('custom/linked')).toEqual([5, 5, 5]);
    await fixture.zeroth.models.load('mlp.onnx', { modelId: 'late' });
    const { name: run } = await fixture.zeroth.runs.create({
      model: 'models/late',
      objective: { name: 'accuracy' },
    });
    expect(await fixture.losses('custom/linked', { run })).toEqual([5, 5, 5]);
  });

  test('one that is not there is refused with the names of all that are', async () => {
    for (const name of ['custom/missing', 'custom/unparsable', 'squares'])
      expect(await refusal(fixture.evaluate(name))).toMatchObject({
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
});

describe('a folder that changes', () => {
  const constant = (value: number) => moduleOf(`return Array(rows).fill(${value});`);

  test('is read again on request: what is no objective any more leaves the old one, for models loaded later too', async () => {
    await using folder = await temporaryFolder();
    const dir = await objectiveFolder(folder.path, { 'fixed.ts': constant(1) });
    await using fixture = await startFixture(['--objective-dir', dir]);
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
    await using fixture = await startFixture();
    expect(await refusal(fixture.zeroth.reloadObjectives())).toMatchObject({
      code: 'UNIMPLEMENTED',
      message: 'objectiveDir: expected a folder of objectives, got none; --objective-dir names one',
    });
  });
});

test.each([
  [['--objective-dir', './nowhere-at-all'], /^objectiveDir: expected a folder that can be read, got /],
  [
    ['--objective-dir', './test/fixtures/objectives', '--objectives-max', '1'],
    /^objectiveDir: expected at most 1 file \(objectivesMax\), got /,
  ],
])('a server does not start with %j', async (flags, text) => {
  await expect(startFixture(flags)).rejects.toThrow(text);
});
