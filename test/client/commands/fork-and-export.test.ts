// fork, rollback, export and apply as people call them: processes, and a server in another one.
import { readFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, it, test } from 'vitest';
import { type CommandServer, startCommandServer, tunedRun } from './command-server.ts';
import { failed } from './zeroth-process.ts';

let place: CommandServer;
beforeAll(async () => {
  place = await startCommandServer();
  await place.zeroth.models.load('mlp.onnx');
});
afterAll(() => place[Symbol.asyncDispose]());

describe('fork and rollback', () => {
  it('fork a run where it was, and roll it back by number and by snapshot', async () => {
    await tunedRun(place.zeroth, 'first');
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
    const name = await tunedRun(place.zeroth, 'exported');
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
