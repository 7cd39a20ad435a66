// Ctrl-C in the middle of eval and export: both end at once, and leave nothing behind. (train.test.ts and watch.test.ts have theirs.)
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { gate, LOGITS_AND_LABELS } from '../../support/judge.ts';
import { openStallingProxy } from '../../support/stalling-proxy.ts';
import { type CommandServer, LANGUAGE, startCommandServer } from './command-server.ts';
import { startZeroth } from './zeroth-process.ts';

let place: CommandServer;
beforeAll(async () => {
  place = await startCommandServer();
});
afterAll(() => place[Symbol.asyncDispose]());

test('eval: what it has brought to the server goes with it', async () => {
  const rows = place.at('rows.jsonl');
  await writeFile(rows, '{"text":"a dull film","label":0}\n{"text":"a warm film","label":1}\n');
  const { judge, open, asked } = gate(() => [0, 0]);
  await using stack = new AsyncDisposableStack();
  const served = stack.use(place.zeroth.objectives.serve('remote/never', LOGITS_AND_LABELS, judge));
  stack.defer(open);
  await served.served;
  const files = ['--model', 'bert.onnx', '--tokenizer', `${LANGUAGE}/tokenizers/bert`, '--data', rows];
  const { child, ended } = startZeroth(['eval', ...files, '--objective', 'remote/never'], place.env);
  await asked;
  const { models, runs, datasets } = place.zeroth;
  const there = async () => {
    const all = await Promise.all(
      [models, runs, datasets].map((each) => Array.fromAsync<object>(each.list())),
    );
    return all.map(({ length }) => length);
  };
  expect(await there()).toEqual([1, 1, 1]);
  child.kill('SIGINT');
  expect(await ended).toEqual({ code: 130, stdout: '', stderr: 'zeroth eval: interrupted\n' });
  expect(await there()).toEqual([0, 0, 0]);
});

/** Of the 155 KiB of the model's file. */
const SOME = 40_000;

test.each(['SIGINT', 'SIGTERM'] as const)(
  'export: on %s the part that has come goes, and the file that was there stays',
  async (name) => {
    const { name: model } = await place.zeroth.models.load('bert.onnx', { modelId: name.toLowerCase() });
    const objective = { name: 'cross_entropy', output: 'logits' };
    const run = await place.zeroth.runs.create({ model, objective });
    await using proxy = await openStallingProxy(place.server.address, SOME);
    const out = place.at('out.onnx');
    await writeFile(out, 'before');
    const { child, ended } = startZeroth(['export', run.name, '--out', out, '--server', proxy.address]);
    const partial = async () => (await readdir(place.at('.'))).filter((each) => each.endsWith('.partial'));
    await proxy.stalled;
    await expect.poll(partial, { timeout: 30_000 }).toHaveLength(1);
    child.kill(name);
    expect(await ended).toEqual({ code: 130, stdout: '', stderr: 'zeroth export: interrupted\n' });
    expect(await partial()).toEqual([]);
    expect(await readFile(out, 'utf8')).toBe('before');
  },
);
