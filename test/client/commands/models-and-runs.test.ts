// models, runs, fork, rollback, export, apply and eval as people call them: processes, and a server in another one.
import { readFile, writeFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, it, test } from 'vitest';
import { toBatch } from '../../../client/convert.ts';
import { OBJECTIVE, ROWS, tinyData } from '../../support/fixture-server.ts';
import { type CommandServer, LANGUAGE, startCommandServer } from './command-server.ts';
import { hasScript, said, startOnTerminal, startZeroth } from './zeroth-process.ts';

let place: CommandServer;
beforeAll(async () => {
  place = await startCommandServer();
});
afterAll(() => place[Symbol.asyncDispose]());

const failed = (code: number, stderr: string) => ({ code, stdout: '', stderr });

/** `tuned`: of the tiny model, at revision 3. */
async function tunedRun(runId: string): Promise<string> {
  const { zeroth } = place;
  const { name } = await zeroth.runs.create({ model: 'models/mlp', runId, objective: OBJECTIVE });
  for (const seed of [1n, 2n, 3n])
    await zeroth.oracle.update({ run: name, shifts: [{ seed, scale: 0.01 }], requestId: `${seed}` });
  return name;
}

describe('models', () => {
  it('of an empty server says how one is loaded', async () => {
    const { code, stdout, stderr } = await place.run('models');
    expect([code, stderr]).toEqual([0, '']);
    expect(stdout).toMatch(
      /^no model is loaded \(zeroth .*, computing on cpu\)\nzeroth models load FILE loads one of the server's model directory\n$/,
    );
    expect((await place.json('models')).models).toEqual([]);
  });

  it('by TLS of a server in plain text ends with 3, and in words of ours', async () => {
    const message = `no server answers at ${place.server.address}: it does not answer by TLS`;
    const next = 'a server without TLS is reached without --tls';
    expect(await place.run('models', '--tls')).toEqual(failed(3, `zeroth models: ${message}\n${next}\n`));
  });

  it('load, show and list one', async () => {
    expect(await place.run('models', 'load', 'mlp.onnx')).toEqual({
      code: 0,
      stdout: 'models/mlp: 53 weights, 212 B\n',
      stderr: '',
    });
    const shown = await place.run('models', 'show', 'mlp');
    expect(shown.stdout).toMatch(
      /^model +models\/mlp\nfile +mlp\.onnx\nSHA-256 +[0-9a-f]{64}\nweights +53, 212 B\n\ntensor +type +shape\ninput x +float32 +\[\?, 6\]\n/,
    );
    expect(await place.json('models', 'show', 'models/mlp')).toMatchObject({
      name: 'models/mlp',
      weights: 53,
      inputs: [{ name: 'x', dataType: 'float32', shape: [-1, 6] }],
    });
    expect((await place.run('models')).stdout).toMatch(
      /^name +file +weights +trainable +size +inputs\nmodels\/mlp +mlp\.onnx +53 +53 +212 B +x\n\n1 model \(/,
    );
    expect((await place.json('models')).models).toMatchObject([{ name: 'models/mlp', path: 'mlp.onnx' }]);
  });

  it('unload one, of which runs are not forgotten', async () => {
    await place.json('models', 'load', 'mlp.onnx', '--id', 'second');
    await place.zeroth.runs.create({ model: 'models/second', runId: 'sleeper', objective: OBJECTIVE });
    expect(await place.run('models', 'unload', 'second')).toEqual(
      failed(
        4,
        `zeroth models: models/second has 1 run; delete them, or set --force to keep their journals and unload
zeroth models unload models/second --force unloads it all the same; its runs keep their journals
`,
      ),
    );
    expect(await place.json('models', 'unload', 'second', '--force')).toEqual({
      name: 'models/second',
      isLoaded: false,
    });
    expect(await place.run('runs', 'delete', 'sleeper', '--yes')).toMatchObject({ code: 0 });
  });

  test.each([
    [
      ['show', 'mpl'],
      'zeroth models: models/mpl does not exist; zeroth models load brings it\nthere is models/mlp\n',
    ],
    [
      ['load', 'none.onnx'],
      'zeroth models: the file "none.onnx" does not exist in the model directory, which has bert.onnx, mlp.onnx\n',
    ],
    [
      ['load', '../mlp.onnx'],
      'zeroth models: FILE: expected a path relative to the model directory, without "..", got "../mlp.onnx"\n',
    ],
    [['show', 'runs/mlp'], 'zeroth models: NAME: expected a name of the form "models/*", got "runs/mlp"\n'],
    [
      ['load', 'mlp.onnx', '--id', 'No id'],
      'zeroth models: --id: expected 1 to 63 lower-case letters, digits and hyphens, no hyphen at either end, got "No id"\n',
    ],
  ])('%j ends with 4', async (args, stderr) => {
    expect(await place.run('models', ...args)).toEqual(failed(4, stderr));
  });
});

describe('runs', () => {
  it('list them, those of a model, and one closely', async () => {
    expect(await place.run('runs', '--model', 'mlp')).toEqual({
      code: 0,
      stdout: 'no runs\nzeroth train --server HOST:PORT makes one\n',
      stderr: '',
    });
    const name = await tunedRun('listed');
    await place.zeroth.runs.snapshot(name, 'good', 3n);
    expect((await place.run('runs')).stdout).toMatch(
      /^name +model +state +revision +age\nruns\/listed +mlp +active +3 +\d+ s\n$/,
    );
    expect((await place.json('runs', '--model', 'mlp')).runs).toMatchObject([{ name, revision: 3 }]);
    const { stdout } = await place.run('runs', 'show', 'listed');
    expect(stdout).toMatch(/^run +runs\/listed\nmodel +models\/mlp\nstate +active\nrevision +3\n/);
    expect(stdout).toMatch(/\nsnapshot +revision\ngood +3\n/);
    expect(await place.json('runs', 'show', 'listed')).toMatchObject({
      name,
      state: 'active',
      trainableWeights: 53,
      snapshots: [{ name: `${name}/snapshots/good`, revision: 3 }],
      trainings: [],
    });
  });

  it('delete one, and not without being told so', async () => {
    const name = await tunedRun('doomed');
    const refused = await place.run('runs', 'delete', 'doomed');
    expect(refused).toEqual(
      failed(
        2,
        `zeroth runs: --yes: expected it where nobody can be asked, since ${name} is gone for good then
zeroth runs --help says what there is
`,
      ),
    );
    expect(await place.run('runs', 'delete', 'doomed', '--yes')).toEqual({
      code: 0,
      stdout: 'runs/doomed is deleted\n',
      stderr: '',
    });
    const { code, stderr } = await place.run('runs', 'delete', 'doomed', '--yes', '--json');
    expect(code).toBe(4);
    expect(JSON.parse(stderr).error).toMatchObject({
      code: 'NOT_FOUND',
      message: 'runs/doomed does not exist',
      details: { resource: 'runs/doomed', next: 'there is runs/listed' },
    });
  });
});

describe.runIf(hasScript)('on a terminal', () => {
  it('delete asks first', async () => {
    const name = await tunedRun('asked');
    const deleting = (answer: string) => {
      const started = startOnTerminal(['runs', 'delete', 'asked'], { columns: 80, rows: 24 }, place.env);
      const asked = said(started, 'stdout', 'Delete it? [y/N]');
      return asked.then(() => {
        started.child.stdin!.write(`${answer}\r`);
        return started.ended;
      });
    };
    const kept = await deleting('');
    expect([kept.code, kept.stdout]).toEqual([0, expect.stringContaining(`${name} stays\r\n`)]);
    const deleted = await deleting('y');
    expect([deleted.code, deleted.stdout]).toEqual([0, expect.stringContaining(`${name} is deleted\r\n`)]);
  });
});

describe('colours', () => {
  test.each<[Record<string, string>, string[], boolean]>([
    [{}, [], false],
    [{ FORCE_COLOR: '1' }, [], true],
    [{ FORCE_COLOR: '1' }, ['--no-color'], false],
    [{ FORCE_COLOR: '1' }, ['--json'], false],
  ])('of a table that is piped, with %j and %j: %s', async (env, flags, isColored) => {
    const { code, stdout } = await startZeroth(['runs', ...flags], { ...place.env, ...env }).ended;
    expect([code, stdout.includes('\x1b[1m')]).toEqual([0, isColored]);
  });
});

describe('fork and rollback', () => {
  it('fork a run where it was, and roll it back by number and by snapshot', async () => {
    await tunedRun('first');
    expect(await place.run('fork', 'first', '--revision', '2', '--id', 'second')).toEqual({
      code: 0,
      stdout: 'runs/second begins where runs/first was at revision 2\n',
      stderr: '',
    });
    expect(await place.json('runs', 'show', 'second')).toMatchObject({
      revision: 2,
      forkedFrom: { run: 'runs/first', revision: 2 },
    });
    expect(await place.json('fork', 'first')).toMatchObject({ revision: 3, model: 'models/mlp' });
    await place.zeroth.runs.snapshot('runs/first', 'good', 3n);
    expect((await place.run('rollback', 'first', '--to', '1')).stdout).toBe(
      'runs/first has the weights of revision 1 again, as revision 4\nzeroth rollback runs/first --to 3 takes it back\n',
    );
    expect(await place.json('rollback', 'first', '--to', 'good')).toEqual({
      name: 'runs/first',
      from: 4,
      to: 3,
      revision: 5,
    });
  });

  test.each<[string[], number, string]>([
    [
      ['rollback', 'first', '--to', 'bad'],
      4,
      'zeroth rollback: --to: expected a revision or a snapshot of runs/first, got "bad"\nthere is good\n',
    ],
    [
      ['rollback', 'first', '--to', '99'],
      4,
      'zeroth rollback: --to: expected a revision up to the head 5, got 99\n',
    ],
    [
      ['rollback', 'first'],
      2,
      'zeroth rollback: --to: expected a revision or a snapshot, got nothing\nzeroth rollback --help says what there is\n',
    ],
    [
      ['fork', 'first', '--revision', '99'],
      4,
      'zeroth fork: --revision: expected a revision up to the head 5, got 99\n',
    ],
    [
      ['fork', 'first', '--id', 'No id'],
      4,
      'zeroth fork: --id: expected 1 to 63 lower-case letters, digits and hyphens, no hyphen at either end, got "No id"\n',
    ],
    [['fork', 'first', '--id', 'second'], 4, 'zeroth fork: runs/second exists already\n'],
  ])('%j ends with %i', async (args, code, stderr) => {
    expect(await place.run(...args)).toEqual(failed(code, stderr));
  });
});

describe('export and apply', () => {
  it('write a model, and the same one from its journal', async () => {
    const name = await tunedRun('exported');
    const out = place.at('tuned.onnx');
    const { code, stdout, stderr } = await place.run('export', 'exported', '--out', out);
    expect([code, stderr]).toEqual([0, '']);
    const size = (await readFile(out)).byteLength;
    expect(stdout).toMatch(/: \d+ B, runs\/exported at revision 3 as onnx\nSHA-256 [0-9a-f]{64}\n$/);
    const journal = place.at('exported.journal');
    const exported = await place.json('export', 'exported', '--out', journal, '--format', 'journal');
    expect(exported).toMatchObject({ run: name, revision: 3, format: 'journal', out: journal });
    const files = ['--model', place.at('models/mlp.onnx'), '--journal', journal];
    const applied = await place.json('apply', ...files, '--out', place.at('applied.onnx'));
    expect(applied).toEqual({
      out: place.at('applied.onnx'),
      format: 'onnx',
      revision: 3,
      bytes: size,
      weightsSha256: exported.weightsSha256,
    });
    expect(await readFile(place.at('applied.onnx'))).toEqual(await readFile(out));
    const earlier = await place.json('export', 'exported', '--out', out, '--revision', '1');
    expect(earlier).toMatchObject({ revision: 1, format: 'onnx' });
  });

  test.each<[string[], number, string]>([
    [
      ['export', 'exported'],
      2,
      'zeroth export: --out: expected a file, got nothing\nzeroth export --help says what there is\n',
    ],
    [
      ['export', 'exported', '--out', 'no/such/folder'],
      4,
      'zeroth export: --out: expected a file in a folder that can be written to, got no/such/folder\n',
    ],
    [
      ['export', 'exported', '--out', 'test-none', '--revision', '99'],
      4,
      'zeroth export: --revision: expected a revision up to the head 3, got 99\n',
    ],
    [
      ['export', 'exported', '--out', 'test'],
      4,
      'zeroth export: --out: expected a file, got the folder test\n',
    ],
    [
      ['export', 'exported', '--out', 'x', '--format', 'gguf'],
      2,
      'zeroth export: --format: expected one of onnx, merged, safetensors, journal, got "gguf"\nzeroth export --help says what there is\n',
    ],
    [
      ['apply', '--model', 'none.onnx', '--journal', 'x', '--out', 'y'],
      4,
      "zeroth apply: journal: expected a file, got ENOENT: no such file or directory, open 'x'\n",
    ],
  ])('%j ends with %i', async (args, code, stderr) => {
    expect(await place.run(...args)).toEqual(failed(code, stderr));
  });
});

describe('eval', () => {
  const tokenizer = ['--tokenizer', `${LANGUAGE}/tokenizers/bert`];
  const rows = () => place.at('rows.jsonl');
  beforeAll(async () => {
    const all = ['dull', 'warm', 'grey', 'bright'].map((word, i) => ({
      text: `a ${word} film`,
      label: i % 2,
    }));
    await writeFile(rows(), all.map((row) => `${JSON.stringify(row)}\n`).join(''));
  });

  it('scores a run on a dataset, now and as it was, by what it is told to', async () => {
    const run = await tunedRun('scored');
    const { dataset } = await place.zeroth.datasets.create(tinyData());
    const lossAt = async (revision: bigint) => {
      const anchor = { $case: 'anchor', value: { at: { $case: 'revision', value: revision } } } as const;
      const { results } = await place.zeroth.oracle.evaluate({
        ...{ run, points: [{ from: anchor }], batch: toBatch(dataset.name) },
      });
      return results[0].loss;
    };
    const on = ['--dataset', dataset.name];
    const now = await place.json('eval', 'scored', ...on);
    expect(now).toMatchObject({ run, revision: 3, rows: dataset.name, examples: ROWS });
    expect(now.results.map(({ objective }: { objective: string }) => objective)).toEqual([
      'cross_entropy',
      'accuracy',
    ]);
    expect(now.results[0].loss).toBe(await lossAt(3n));
    expect(now.results[1].metric).toBe(1 - now.results[1].loss);
    const before = await place.json(
      'eval',
      'scored',
      ...on,
      '--revision',
      '1',
      '--objective',
      'cross_entropy',
    );
    expect(before).toMatchObject({ revision: 1, results: [{ loss: await lossAt(1n) }] });
    expect((await place.run('eval', 'scored', ...on)).stdout).toMatch(
      /^objective +loss\ncross_entropy +\d\.\d{4}\naccuracy +\d\.\d{4} +accuracy \d+\.\d %\n\nruns\/scored at revision 3, 40 rows of datasets\//,
    );
  });

  it('scores a model file on rows of text, with a server of its own or with another one, and leaves nothing there', async () => {
    const own = await startZeroth([
      ...['eval', '--model', place.at('models/bert.onnx'), ...tokenizer, '--data', rows(), '--json'],
    ]).ended;
    expect([own.code, own.stderr]).toEqual([0, '']);
    const remote = await place.json('eval', '--model', 'bert.onnx', ...tokenizer, '--data', rows());
    expect(remote).toMatchObject({ model: 'bert.onnx', rows: rows(), examples: 4 });
    expect(remote.results).toEqual(JSON.parse(own.stdout).results);
    const names = await Array.fromAsync(place.zeroth.models.list(), ({ name }) => name);
    expect(names).not.toContain('models/bert');
  });

  test.each<[string[], number, string]>([
    [
      ['eval', '--dataset', 'x'],
      2,
      'zeroth eval: expected the name of a run, or --model PATH, and not both\nzeroth eval --help says what there is\n',
    ],
    [
      ['eval', 'scored'],
      2,
      'zeroth eval: --data: expected a file of rows, or --dataset NAME, and not both\nzeroth eval --help says what there is\n',
    ],
    [
      ['eval', 'scored', '--data', 'rows.jsonl'],
      2,
      'zeroth eval: --tokenizer: expected a folder with tokenizer.json, got nothing\nzeroth eval --help says what there is\n',
    ],
    [
      ['eval', 'scored', '--data', 'none.jsonl', '--tokenizer', `${LANGUAGE}/tokenizers/bert`],
      4,
      "zeroth eval: none.jsonl: expected a readable file, got ENOENT: no such file or directory, open 'none.jsonl'\n",
    ],
    [
      ['eval', 'scored', '--dataset', 'none'],
      4,
      'zeroth eval: --dataset: expected a name of the form "datasets/*", got "datasets/none"\n',
    ],
    [
      ['eval', 'socred', '--dataset', 'x'],
      4,
      expect.stringMatching(/^zeroth eval: runs\/socred does not exist\nthere is runs\/scored, /),
    ],
  ])('%j ends with %i', async (args, code, stderr) => {
    expect(await place.run(...args)).toEqual(failed(code, stderr));
  });
});
