// models and runs as people call them: processes, and a server in another one.
import { afterAll, beforeAll, describe, expect, it, test } from 'vitest';
import { OBJECTIVE } from '../../support/fixture-server.ts';
import { type CommandServer, startCommandServer, tunedRun } from './command-server.ts';
import { failed, hasScript, said, startOnTerminal, startZeroth } from './zeroth-process.ts';

let place: CommandServer;
beforeAll(async () => {
  place = await startCommandServer();
});
afterAll(() => place[Symbol.asyncDispose]());

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
    const name = await tunedRun(place.zeroth, 'listed');
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
    const name = await tunedRun(place.zeroth, 'doomed');
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
    const name = await tunedRun(place.zeroth, 'asked');
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
