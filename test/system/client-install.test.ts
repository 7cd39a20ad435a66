// The package as whoever only wants the client installs it, into an empty project and with npm's own defaults: small, without ONNX
// Runtime and without scripts that do anything, and with all that talks to a server.
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { VERSION } from '../../server/version.ts';
import { type CommandServer, LANGUAGE, startCommandServer } from '../client/commands/command-server.ts';
import { startZeroth } from '../client/commands/zeroth-process.ts';
import { OBJECTIVE, tinyData } from '../support/fixture-server.ts';
import { PackedApp } from '../support/packed-app.ts';

// npm, a compiler, and commands after each other.
vi.setConfig({ testTimeout: 180_000, hookTimeout: 300_000 });

/** Twice of what it was when this was written (30 MiB); with ONNX Runtime and a Node.js of its own it was 500. */
const CLIENT_BYTES_MAX = 64 * 2 ** 20;

const MISSING =
  'koffi, onnxruntime-node: expected what a server computes with, got no such package; install it with npm install --ignore-scripts koffi@3.3.4 onnxruntime-node@1.30.0';

const ELSEWHERE = 'or --server HOST:PORT, or ZEROTH_SERVER, names a server that runs elsewhere';

const TRAINING = `
import { connect, mezoSvrg, toTensor, train } from 'zeroth/client';

const [, , address] = process.argv;
await using zeroth = connect(address);
const x = Float32Array.from({ length: 40 * 6 }, (_, i) => Math.sin(i * 0.7));
const labels = BigInt64Array.from({ length: 40 }, (_, i) => BigInt(i % 3));
const { dataset } = await zeroth.datasets.create({ x: toTensor(x, [40, 6]), labels: toTensor(labels, [40]) });
const { name: model } = await zeroth.models.load('mlp.onnx');
const { name: run } = await zeroth.runs.create({ model, runId: 'program', objective: { name: 'cross_entropy' } });
const strategy = mezoSvrg({ q: 5, eta1: 1e-2, eta2: 5e-3, anchorDirections: 2, seed: 7n });
const batches = { batchSize: 8, batchSeed: 3n, trainingId: 'training', budget: { steps: 5 } };
for await (const { step, loss } of train(zeroth, { run, dataset, strategy, ...batches }))
  console.log(step, Number.isFinite(loss));
await zeroth.runs.exportTo('tuned.onnx', { name: run });
`;

const LOCAL = `
import { openLocal } from 'zeroth/local';

await openLocal({ modelDir: '.', dataDir: ':memory:' }).catch((error) => console.log(error.name, error.message));
`;

let app: PackedApp;
let place: CommandServer;
beforeAll(async () => {
  app = await PackedApp.install();
  place = await startCommandServer();
});
afterAll(async () => {
  await place[Symbol.asyncDispose]();
  await app[Symbol.asyncDispose]();
});

/** Regular files of a folder, however deep. */
function filesBelow(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));
}

describe("a client's install", () => {
  test('has neither ONNX Runtime nor koffi nor a Node.js, and is small', () => {
    const files = filesBelow(join(app.path, 'node_modules'));
    expect(files.filter((file) => /onnxruntime|koffi|\.node$|bin\/node(\.exe)?$/.test(file))).toEqual([]);
    const bytes = files.reduce((sum, file) => sum + statSync(file).size, 0);
    expect(bytes).toBeLessThan(CLIENT_BYTES_MAX);
  });

  // That one reads a package.json and at most prints a warning; grpc-js depends on it.
  test('has no install script but that of protobufjs', () => {
    const lock = JSON.parse(readFileSync(join(app.path, 'package-lock.json'), 'utf8')) as {
      packages: Record<string, { hasInstallScript?: boolean }>;
    };
    const installed = Object.entries(lock.packages);
    expect(installed.length).toBeGreaterThan(10);
    const withScript = installed.filter(([, { hasInstallScript }]) => hasInstallScript === true);
    expect(withScript.map(([path]) => path)).toEqual(['node_modules/protobufjs']);
  });

  test('runs a program of zeroth/client against a server', async () => {
    const printed = await app.run('program.ts', TRAINING, [place.server.address]);
    expect(printed).toBe([1, 2, 3, 4, 5].map((step) => `${step} true\n`).join(''));
    expect(statSync(join(app.path, 'tuned.onnx')).size).toBeGreaterThan(0);
  });

  test.each(['zeroth/client', 'zeroth/local'])(
    'has the types of %s, whose every declaration holds',
    async (entry) => {
      const program = entry === 'zeroth/client' ? TRAINING : LOCAL.replace('(error)', '(error: Error)');
      await app.write('typed.ts', program);
      expect(await app.compilerSays('typed.ts', { typeRoots: undefined, skipLibCheck: false })).toEqual([]);
      await app.write(
        'wrong.ts',
        program.replace(/connect\(address\)|modelDir: '.'/, (right) => right.replace(/address|'.'/, '7')),
      );
      expect(await app.compilerSays('wrong.ts', { typeRoots: undefined })).toEqual([
        expect.stringContaining("'number' is not assignable to"),
      ]);
    },
  );

  test('says what zeroth/local lacks', async () => {
    expect(await app.run('local.js', LOCAL)).toBe(`ZerothError ${MISSING}\n`);
  });
});

describe("the command of a client's install", () => {
  const zeroth = (args: readonly string[], env: Readonly<Record<string, string>> = place.env) =>
    startZeroth(args, env, join(app.path, 'node_modules/.bin/zeroth')).ended;

  const TEXT = ['--tokenizer', join(LANGUAGE, 'tokenizers/bert')];
  let rows: string;
  beforeAll(async () => {
    rows = join(app.path, 'rows.jsonl');
    const texts = ['dull', 'wonderful', 'a waste', 'very funny'];
    const lines = texts.map((text, i) => JSON.stringify({ text: `The film was ${text}.`, label: i % 2 }));
    await writeFile(rows, lines.join('\n'));
    const model = await place.zeroth.models.load('mlp.onnx', { modelId: 'numbers' });
    const { dataset } = await place.zeroth.datasets.create(tinyData());
    const run = await place.zeroth.runs.create({ model: model.name, runId: 'first', objective: OBJECTIVE });
    await place.zeroth.oracle.update({ run: run.name, shifts: [{ seed: 1n, scale: 0.01 }], requestId: '1' });
    await writeFile(join(app.path, 'dataset'), dataset.name);
  });

  test('talks to a server: models, runs, eval, train, watch, fork, rollback, export', async () => {
    const out = (file: string) => join(app.path, file);
    const dataset = readFileSync(out('dataset'), 'utf8');
    const text = [...TEXT, '--data', rows, '--batch-size', '4'];
    const train = ['train', '--model', 'bert.onnx', ...text, '--learning-rate', '1e-3', '--steps', '2'];
    const commands = [
      ['models'],
      ['models', 'load', 'bert.onnx'],
      ['models', 'show', 'bert'],
      ['runs'],
      ['runs', 'show', 'first'],
      ['eval', 'first', '--dataset', dataset],
      ['eval', '--model', 'bert.onnx', ...text.slice(0, 4)],
      [...train, '--id', 'text', '--out', out('text.onnx')],
      ['fork', 'first', '--id', 'second'],
      ['rollback', 'second', '--to', '0'],
      ['export', 'first', '--out', out('first.onnx')],
      ['export', 'first', '--format', 'journal', '--out', out('first.journal')],
      [...train, '--id', 'detached', '--detach'],
      ['watch', 'detached'],
      ['runs', 'delete', 'second', '--yes'],
    ];
    for (const args of commands) {
      const { code, stderr, stdout } = await zeroth([...args, '--json']);
      expect({ args, code, stderr: code === 0 ? '' : stderr }).toEqual({ args, code: 0, stderr: '' });
      expect(stdout).not.toBe('');
    }
  });

  test('applies a journal without a server, and without what computes', async () => {
    const at = (name: string) => join(app.path, name);
    await zeroth(['export', 'first', '--format', 'journal', '--out', at('first.journal')]);
    await zeroth(['export', 'first', '--out', at('exported.onnx')]);
    const args = [
      '--model',
      place.at('models/mlp.onnx'),
      '--journal',
      at('first.journal'),
      '--out',
      at('applied.onnx'),
    ];
    expect(await zeroth(['apply', ...args], {})).toMatchObject({ code: 0, stderr: '' });
    expect(readFileSync(at('applied.onnx')).equals(readFileSync(at('exported.onnx')))).toBe(true);
  });

  test('shows its version and its help', async () => {
    expect(await zeroth(['--version'], {})).toEqual({ code: 0, stdout: `${VERSION}\n`, stderr: '' });
    expect(await zeroth(['train', '--help'], {})).toMatchObject({ code: 0, stderr: '' });
  });

  test.each([
    ['serve', ['serve'], `zeroth serve: ${MISSING}\n`],
    [
      'train without a server',
      [
        'train',
        '--model',
        'hf:nobody/none',
        '--data',
        'rows.jsonl',
        '--learning-rate',
        '1e-3',
        '--steps',
        '2',
      ],
      `zeroth train: ${MISSING}\n${ELSEWHERE}\n`,
    ],
    [
      'eval of a file without a server',
      ['eval', '--model', 'none.onnx', '--data', 'rows.jsonl'],
      `zeroth eval: ${MISSING}\n${ELSEWHERE}\n`,
    ],
  ])('says what %s lacks, and asks for nothing before', async (_, args, stderr) => {
    expect(await zeroth(args, {})).toEqual({ code: 1, stdout: '', stderr });
  });

  test('says so to programs, too', async () => {
    const { code, stderr } = await zeroth(
      ['eval', '--model', 'none.onnx', '--data', 'rows.jsonl', '--json'],
      {},
    );
    expect([code, JSON.parse(stderr)]).toEqual([
      1,
      {
        error: {
          code: 'UNKNOWN',
          reason: 'UNIMPLEMENTED',
          message: MISSING,
          details: { next: ELSEWHERE },
        },
      },
    ]);
  });
});
