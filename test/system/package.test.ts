// The package as npm installs it: built, packed, unpacked beside a program that has nothing of this repository, types
// included.
import { execFile } from 'node:child_process';
import { cp, mkdir, readdir, rename, symlink, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openLocal } from '../../client/local.ts';
import { tinyModel } from '../support/fixture-server.ts';
import { temporaryFolder } from '../support/server-process.ts';
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
const OBJECTIVE = `
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

const EVALUATION = `
import { toTensor } from 'zeroth/client';
import { openLocal } from 'zeroth/local';

await using zeroth = await openLocal({ modelDir: '.', dataDir: ':memory:', objectiveDir: 'objectives', threads: 1 });
const { name: model } = await zeroth.models.load('mlp.onnx');
const tensors = { x: toTensor(new Float32Array(12), [2, 6]), labels: toTensor(BigInt64Array.of(0n, 2n), [2]) };
const run = await zeroth.runs.create({ model, objective: { name: 'custom/margin' } });
const batch = { source: { $case: 'inline', value: { tensors } } };
const { results } = await zeroth.oracle.evaluate({ run: run.name, points: [{}], batch });
console.log(results[0].loss, results[0].finite);
`;

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

  const inApp = async (file: string, content: string) => {
    await writeFile(join(app, file), content);
    return (await run(process.execPath, [file], { cwd: app })).stdout;
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

  test('has the interface of objectives: a module compiles against it, runs, and one of another shape does not compile', async () => {
    await mkdir(join(app, 'objectives'));
    await writeFile(join(app, 'objectives', 'margin.ts'), OBJECTIVE);
    expect(await compilerSays('objectives/margin.ts')).toEqual([]);
    // Biases are 0 and so is x.
    expect(await inApp('evaluate.js', EVALUATION)).toBe('0 true\n');
    const mistakes = [
      ["labels: 'int64' }>", "labels: 'float32' }>", 'Type \'"int64"\' is not assignable to type'],
      ['losses({ output }', 'loss({ output }', "'loss' does not exist in type"],
      ['return Float64Array.from', 'return BigInt64Array.from', 'is not assignable to type'],
    ] as const;
    for (const [right, wrong, text] of mistakes) {
      await writeFile(join(app, 'mistaken.ts'), OBJECTIVE.replace(right, wrong));
      expect((await compilerSays('mistaken.ts')).join('\n')).toContain(text);
    }
  });

  async function compilerSays(file: string): Promise<string[]> {
    const options = {
      ...{ strict: true, noEmit: true, module: 'nodenext', target: 'es2024', skipLibCheck: true },
      ...{ types: ['node'], typeRoots: [resolve('node_modules/@types')] },
      lib: ['es2024', 'esnext.disposable'],
    };
    await writeFile(join(app, 'tsconfig.json'), JSON.stringify({ compilerOptions: options, files: [file] }));
    const said = await run('tsc', ['--project', app]).catch((error: { stdout: string }) => error);
    return said.stdout.split('\n').filter((line) => line !== '');
  }
});
