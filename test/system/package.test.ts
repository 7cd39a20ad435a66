// The package as npm installs it: built, packed, unpacked beside a program that has nothing of this repository, types
// included.
import { execFile } from 'node:child_process';
import { cp, mkdir, readdir, rename, symlink, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openLocal } from '../../client/local.ts';
import { tinyModel } from '../support/fixture-server.ts';
import { startServerProcess, temporaryFolder } from '../support/server-process.ts';
import { outcomeOf, startTraining } from '../support/training.ts';

const run = promisify(execFile);

const TRAINING = `
import { createHash } from 'node:crypto';
import { mezoSvrg, toTensor, train } from 'zeroth/client';
import { openLocal } from 'zeroth/local';

await using zeroth = await openLocal({ modelDir: '.', dataDir: ':memory:', threads: 1 });
const { name: model } = await zeroth.models.load('mlp.onnx');
const x = Float32Array.from({ length: 40 * 6 }, (_, i) => Math.sin(i * 0.7) + (i % 6) / 10);
const labels = BigInt64Array.from({ length: 40 }, (_, i) => BigInt(i % 3));
const { dataset } = await zeroth.datasets.create({ x: toTensor(x, [40, 6]), labels: toTensor(labels, [40]) });
const run = await zeroth.runs.create({ model, objective: { name: 'cross_entropy' } });
const strategy = mezoSvrg({ q: 5, eta1: 1e-2, eta2: 5e-3, anchorDirections: 2, seed: 7n });
const batches = { batchSize: 8, batchSeed: 3n, trainingId: 'training', budget: { steps: 40 } };
for await (const { loss } of train(zeroth, { run: run.name, dataset, strategy, ...batches })) {
  if (!Number.isFinite(loss)) throw new Error('the loss is ' + loss);
}
const { header } = await zeroth.runs.export({ name: run.name });
console.log(header.weightsSha256);
`;

/** As docs/objectives.md has it. */
const IN_TYPESCRIPT = `
import type { ExampleObjective } from 'zeroth/objective';

const objective: ExampleObjective<{ output: 'float32' }, { labels: 'int64' }> = {
  outputs: { output: { dataType: 'float32', shape: ['rows', 'classes'] } },
  labels: { labels: { dataType: 'int64', shape: ['rows'] } },
  losses({ output }, { labels }, rows) {
    const classes = output.shape[1];
    return Float64Array.from({ length: rows }, (_, row) => -output.data[row * classes + Number(labels.data[row])]);
  },
};
export default objective;
`;

const IN_JAVASCRIPT = `
// @ts-check
/**
 * @typedef {{ right: number, all: number }} Counts
 * @type {import('zeroth/objective').CorpusObjective<Counts, { output: 'float32' }, { labels: 'int64' }>}
 */
const objective = {
  outputs: { output: { dataType: 'float32', shape: ['rows', 'classes'] } },
  labels: { labels: { dataType: 'int64', shape: ['rows'] } },
  start: () => ({ right: 0, all: 0 }),
  add({ right, all }, { output }, { labels }, rows) {
    const [, classes] = output.shape;
    for (let row = 0; row < rows; row++) {
      const scores = output.data.subarray(row * classes, (row + 1) * classes);
      if (scores.indexOf(Math.max(...scores)) === Number(labels.data[row])) right++;
    }
    return { right, all: all + rows };
  },
  merge: (a, b) => ({ right: a.right + b.right, all: a.all + b.all }),
  loss: ({ right, all }) => 1 - right / all,
};
export default objective;
`;

const EVALUATION = `
import { connect, toTensor } from 'zeroth/client';

await using zeroth = connect(process.argv[2]);
const { name: model } = await zeroth.models.load('mlp.onnx');
const tensors = { x: toTensor(new Float32Array(12), [2, 6]), labels: toTensor(BigInt64Array.of(0n, 2n), [2]) };
const run = await zeroth.runs.create({ model, objective: { name: 'custom/margin' } });
const batch = { source: { $case: 'inline', value: { tensors } } };
for (const name of ['custom/margin', 'custom/hits']) {
  const { results } = await zeroth.oracle.evaluate({ run: run.name, points: [{}], batch, objective: { name } });
  console.log(name, results[0].loss, results[0].finite);
}
`;

/** What a folder of objectives has of the world: no types of Node.js, and a library of before Float16Array. */
const PLAIN = { target: 'es2022', lib: ['es2022'], types: [] };

/** Where every module came from, by the time that zeroth/client is there. */
const LOADED = `
import { registerHooks } from 'node:module';
const urls = [];
registerHooks({
  resolve(specifier, context, next) {
    const found = next(specifier, context);
    urls.push(found.url);
    return found;
  },
});
await import('zeroth/client');
console.log(JSON.stringify(urls));
`;

describe('the package', () => {
  let folder: Awaited<ReturnType<typeof temporaryFolder>>;
  let app: string;

  const inApp = async (file: string, content: string, ...args: string[]) => {
    await writeFile(join(app, file), content);
    return (await run(process.execPath, [file, ...args], { cwd: app })).stdout;
  };

  beforeAll(async () => {
    folder = await temporaryFolder();
    app = join(folder.path, 'app');
    const source = join(folder.path, 'source');
    await mkdir(join(app, 'node_modules'), { recursive: true });
    await run(process.execPath, ['scripts/build.ts', join(source, 'dist')]);
    for (const file of ['package.json', 'README.md', 'LICENSE']) await cp(file, join(source, file));
    await run('npm', ['pack', '--silent'], { cwd: source });
    const [tarball] = (await readdir(source)).filter((file) => file.endsWith('.tgz'));
    await run('tar', ['-xzf', join(source, tarball), '-C', join(app, 'node_modules')]);
    const zeroth = join(app, 'node_modules', 'zeroth');
    await rename(join(app, 'node_modules', 'package'), zeroth);
    // Its dependencies, as they are installed here.
    await symlink(resolve('node_modules'), join(zeroth, 'node_modules'));
    await writeFile(join(app, 'package.json'), JSON.stringify({ type: 'module' }));
    await writeFile(join(app, 'mlp.onnx'), tinyModel());
  });
  afterAll(() => folder[Symbol.asyncDispose]());

  test('trains in process, to the weights of its source, and the program ends', async () => {
    await using zeroth = await openLocal({ modelDir: app, dataDir: ':memory:', threads: 1 });
    const training = await startTraining(zeroth);
    for await (const _ of training.reports);
    const { weightsSha256 } = await outcomeOf(zeroth, training.run);
    expect(await inApp('train.js', TRAINING)).toBe(`${weightsSha256}\n`);
  });

  test('as a client loads neither ONNX Runtime nor SQLite nor anything of the server that computes models', async () => {
    const urls = JSON.parse(await inApp('loaded.js', LOADED)) as string[];
    expect(urls.some((url) => url.endsWith('/zeroth/dist/client/index.js'))).toBe(true);
    expect(urls.filter((url) => /onnxruntime|koffi|node:sqlite|worker_threads/.test(url))).toEqual([]);
    const ofServer = urls.filter((url) => url.includes('/dist/server/'));
    expect(ofServer.filter((url) => !/\/server\/(strategy\/|noise\/|shift|errors)/.test(url))).toEqual([]);
  });

  test('has types: a strict program compiles with them, and one with a wrong option does not', async () => {
    await writeFile(join(app, 'train.ts'), TRAINING);
    expect(await compilerSays('train.ts')).toEqual([]);
    await writeFile(join(app, 'wrong.ts'), TRAINING.replace('threads: 1', "threads: '1'"));
    expect(await compilerSays('wrong.ts')).toEqual([
      expect.stringContaining("Type 'string' is not assignable to type 'number'"),
    ]);
  });

  test('has the interface of objectives: modules in both languages compile against it, are served and scored with', async () => {
    const objectives = join(app, 'objectives');
    await mkdir(objectives);
    await writeFile(join(objectives, 'margin.ts'), IN_TYPESCRIPT);
    await writeFile(join(objectives, 'hits.js'), IN_JAVASCRIPT);
    for (const file of ['margin.ts', 'hits.js'])
      expect(await compilerSays(`objectives/${file}`, PLAIN)).toEqual([]);

    await mkdir(join(folder.path, 'models'));
    await cp(join(app, 'mlp.onnx'), join(folder.path, 'models', 'mlp.onnx'));
    const command = [join(app, 'node_modules', 'zeroth', 'dist', 'client', 'zeroth.js'), 'serve'];
    const server = await startServerProcess(folder.path, ['--objective-dir', objectives], command);
    try {
      // Biases are 0 and so is x: all scores are equal, and the first is the largest.
      const said = await inApp('evaluate.js', EVALUATION, server.address);
      expect(said).toBe('custom/margin 0 true\ncustom/hits 0.5 true\n');
    } finally {
      await server.stop();
    }
  });

  test.each([
    ['mistaken.ts', "labels: 'int64' }>", "labels: 'float32' }>", '\'"int64"\' is not assignable to type'],
    ['mistaken.ts', 'losses({ output }', 'loss({ output }', "'loss' does not exist in type"],
    ['mistaken.ts', 'return Float64Array.from', 'return BigInt64Array.from', 'is not assignable to type'],
    ['mistaken.js', "labels: 'int64' }>", "labels: 'float32' }>", '\'"int64"\' is not assignable to type'],
    ['mistaken.js', 'merge: (a, b)', 'merged: (a, b)', "'merged' does not exist in type"],
    ['mistaken.js', 'right: a.right + b.right, ', '', "Property 'right' is missing in type"],
  ])(
    'an objective of another shape does not compile: %s, where %o is %o',
    async (file, right, wrong, text) => {
      const module = file.endsWith('.ts') ? IN_TYPESCRIPT : IN_JAVASCRIPT;
      await writeFile(join(app, file), module.replace(right, wrong));
      expect((await compilerSays(file, PLAIN)).join('\n')).toContain(text);
    },
  );

  async function compilerSays(file: string, more: object = {}): Promise<string[]> {
    const options = {
      ...{ strict: true, noEmit: true, module: 'nodenext', target: 'es2024', allowJs: true },
      ...{ types: ['node'], typeRoots: [resolve('node_modules/@types')] },
      ...{ lib: ['es2024', 'esnext.disposable'], ...more },
    };
    await writeFile(join(app, 'tsconfig.json'), JSON.stringify({ compilerOptions: options, files: [file] }));
    const said = await run('tsc', ['--project', app]).catch((error: { stdout: string }) => error);
    return said.stdout.split('\n').filter((line) => line !== '');
  }
});
