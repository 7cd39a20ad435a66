// Programs of documents that leave something to their readers: compiled strictly against the packed package with what they leave out in front
// of them, and run.
import { execFile } from 'node:child_process';
import { mkdir, readdir, symlink } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { mlpModel } from '../../examples/mlp.ts';
import { blocksOf } from '../support/doc-blocks.ts';
import { withServer } from '../support/doc-server.ts';
import { documents } from '../support/markdown.ts';
import { PackedApp } from '../support/packed-app.ts';
import { temporaryFolder } from '../support/server-process.ts';

// Compilers and servers, some after each other.
vi.setConfig({ testTimeout: 180_000, hookTimeout: 180_000 });

/** What README.md tunes, with fewer hidden units than anybody would take. */
const CLASSIFIER = mlpModel({ inputs: 784, hidden: 4, outputs: 10, seed: 1 });

const DIGITS = `
const pixels = Float32Array.from({ length: 1000 * 784 }, (_, i) => Math.sin(i * i) + ((i / 784) % 10) / 10);
const digits = BigInt64Array.from({ length: 1000 }, (_, row) => BigInt(row % 10));
`;

const CONNECTED = `
import { connect } from 'zeroth/client';
await using zeroth = connect('127.0.0.1:50051');
`;

/** A run of a fixture, and a dataset for it. */
const RUN = `
import { toTensor } from 'zeroth/client';
const model = await zeroth.models.load('torch-mlp.onnx');
const tensors = { x: toTensor(new Float32Array(64 * 4).fill(0.5), [64, 4]), labels: toTensor(new BigInt64Array(64), [64]) };
const { dataset } = await zeroth.datasets.create(tensors);
const run = await zeroth.runs.create({ model: model.name, objective: { name: 'cross_entropy' } });
`;

let app: PackedApp;
beforeAll(async () => {
  app = await PackedApp.open();
});
afterAll(() => app[Symbol.asyncDispose]());

/** Compiles and runs. @returns its lines. */
async function printed(file: string, program: string): Promise<string[]> {
  await app.write(file, program);
  expect(await app.compilerSays(file)).toEqual([]);
  return (await app.run(file, program)).trimEnd().split('\n');
}

/** With a server of its own, at whatever address. */
const printedWithServer = (file: string, program: string) =>
  withServer(
    ['--data-dir', ':memory:'],
    ({ address }) => printed(file, program.replaceAll('127.0.0.1:50051', address)),
    { 'classifier.onnx': CLASSIFIER },
  );

/** Shorter than the document has it. */
function withLess(block: string, numbers: Readonly<Record<string, string>>): string {
  let shorter = block;
  for (const [number, less] of Object.entries(numbers)) {
    expect(shorter).toContain(number);
    shorter = shorter.replaceAll(number, less);
  }
  return shorter;
}

test('there is TypeScript in no other document than those that a test runs', () => {
  const tested = [
    ...['README.md', 'docs/journal.md', 'docs/objectives.md', 'docs/remote-objectives.md', 'docs/studies.md'],
    // client.test.ts
    ...['docs/security.md', 'docs/typescript-client.md'],
  ];
  expect(documents.filter((file) => blocksOf(file, 'ts').length > 0).sort()).toEqual(tested.sort());
});

describe('README.md', () => {
  const [fromTypescript, onTheServer, studies, inProcess] = blocksOf('README.md', 'ts');
  const heldOut = `
const { dataset: heldOut } = await zeroth.datasets.create({
  x: toTensor(pixels.subarray(0, 100 * 784), [100, 784]),
  labels: toTensor(digits.subarray(0, 100), [100]),
});
`;
  const errorOf = `
const errorOf = (rate: number, layers: number) => Math.abs(Math.log10(rate) + 4) + Math.abs(layers - 3);
`;

  test('its client trains, has the server train, and studies, as one program', async () => {
    const training = withLess(fromTypescript, { 'steps: 1000': 'steps: 20' });
    const plan = withLess(onTheServer, { '1_000_000n': '128_000n', 'patience: 10': 'patience: 100' });
    const told = 'console.log(stateReason, bestEvaluation!.step <= 1000n);\n';
    const program = [DIGITS, training, heldOut, plan, told, errorOf, studies].join('');
    const lines = await printedWithServer('readme.ts', program);
    expect(lines.slice(0, 20).map((line) => line.split(' ')[0])).toEqual(
      Array.from({ length: 20 }, (_, i) => String(i + 1)),
    );
    // The evaluation before the first step, one after every 500, and what the document says of the reason.
    expect(lines.slice(20, 23).map((line) => line.split(' ')[0])).toEqual(['0n', '500n', '1000n']);
    const [, reason] = /\/\/ '(.*?)'/.exec(plan)!;
    expect(lines[23]).toMatch(new RegExp(`^${reason}.* true$`));
    expect(lines[24]).toMatch(/layers: 3/);
    expect(lines.length).toBe(25);
  });

  test('its command learns four rows with a model of the tests', async () => {
    const [block] = blocksOf('README.md', 'sh').filter((each) => each.includes('rows.jsonl'));
    await using folder = await temporaryFolder();
    await symlink(resolve('test'), join(folder.path, 'test'));
    const npm = `npm() { shift 3; '${process.execPath}' '${resolve('client/zeroth.ts')}' "$@"; }`;
    const options = { cwd: folder.path, env: { ...process.env, ZEROTH_SERVER: '' } };
    const { stdout } = await promisify(execFile)('bash', ['-ec', `${npm}\n${block}`], options);
    expect(stdout).toMatch(/accuracy 50\.0 % to 100\.0 %/);
    expect(await readdir(folder.path)).toContain('tuned.onnx');
  });

  test('a program has all of it in process', async () => {
    await mkdir(join(app.path, 'models'), { recursive: true });
    await app.write('models/classifier.onnx', CLASSIFIER);
    const load = "console.log((await zeroth.models.load('classifier.onnx')).name);\n";
    expect(await printed('local.ts', inProcess + load)).toEqual(['models/classifier']);
  });
});

describe('docs/studies.md', () => {
  const [vector, seed, noisy] = blocksOf('docs/studies.md', 'ts');
  const accuracyOf = `
const accuracyOf = async (rate: number, layers: number, act: string) =>
  layers - Math.abs(Math.log10(rate) + 4) + (act === 'gelu' ? 1 : 0);
`;
  const lossOf =
    'const lossOf = (values: Iterable<number>) => [...values].reduce((sum, each) => sum + each * each, 0);\n';

  test.each([
    ['', vector],
    [' with small populations in turn', withLess(vector, { 'seed: 1 }': "seed: 1, restarts: 'bipop' }" })],
  ])('a study of named parameters%s', async (_, block) => {
    const lines = await printedWithServer('parameters.ts', accuracyOf + block);
    expect(lines.join(' ')).toMatch(/layers: 8.* act: 'gelu'|act: 'gelu'.* layers: 8/);
  });

  test('a study of a vector that stays with the client', async () => {
    const less = withLess(seed, { '10_000_000': '100', '100_000': '2_000' });
    const rest = 'console.log(lossOf(vector.values) < 0.5);\n'; // of 1
    expect(await printedWithServer('vector.ts', CONNECTED + lossOf + less + rest)).toEqual(['true']);
  });

  test('a study of noisy values', async () => {
    const measured = `${lossOf}let calls = 0;\nconst measured = (point: readonly number[]) => lossOf(point) + Math.sin(calls++ ** 2) / 2;\n`;
    const rest =
      '\nconsole.log(lossOf((await zeroth.studies.estimate(noisy.name))!.point as number[]) < 0.5);\n'; // of 27
    const less = withLess(noisy, { '3_000': '1_000' });
    const lines = await printedWithServer('noisy.ts', CONNECTED + measured + less + rest);
    expect(lines.at(-1)).toBe('true');
  });
});

test('docs/remote-objectives.md: a program scores for a training that the server runs', async () => {
  const [block] = blocksOf('docs/remote-objectives.md', 'ts');
  const rest = `
import { type Tensor, toFloat32 } from 'zeroth/client';
const plan = {
  ...{ dataset: dataset.name, batchSize: 16, batchSeed: 2n },
  budget: { $case: 'steps', value: 2n },
  strategy: { kind: { $case: 'mezo', value: { learningRate: 0.05, seed: 1n } } },
} as const;
const scored: number[] = [];
const lossesOf = async ({ data }: Tensor, { shape }: Tensor) => {
  scored.push(Number(shape[0]));
  return toFloat32(data).slice(0, Number(shape[0]));
};
`;
  const wait = `
for await (const { name } of zeroth.trainings.list({ run: run.name }))
  for await (const { event } of zeroth.trainings.watch(name)) if (event?.$case === 'step') console.log(event.value.step);
console.log(scored.join(' '));
`;
  const lines = await printedWithServer('judge.ts', CONNECTED + RUN + rest + block + wait);
  // One row before it begins; two steps of two points each.
  expect(lines).toEqual(['1n', '2n', '1 16 16 16 16']);
});

test('docs/journal.md: an update moves and decays as one entry', async () => {
  const [block] = blocksOf('docs/journal.md', 'ts');
  const rest = `
const learningRate = 0.1;
const weightDecay = 0.01;
const [seed, requestId] = [3n, 'decayed'];
const shifts = [{ seed: 1n, scale: 1e-3 }];
`;
  const revision = 'console.log((await zeroth.runs.get(run.name)).revision);\n';
  expect(await printedWithServer('decay.ts', CONNECTED + RUN + rest + block + revision)).toEqual(['1n']);
});

test('docs/objectives.md: its module compiles, and a server takes it', async () => {
  const [block] = blocksOf('docs/objectives.md', 'ts');
  await app.write('objectives/margin.ts', block);
  expect(await app.compilerSays('objectives/margin.ts')).toEqual([]);
  const folder = ['--objective-dir', join(app.path, 'objectives')];
  const log = await withServer(folder, async ({ log }) => log);
  expect(log).toContainEqual(
    expect.objectContaining({ msg: 'objective loaded', objective: 'custom/margin' }),
  );
});
