// eval as people call it: processes, and a server in another one.
import { writeFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, it, test } from 'vitest';
import { toBatch } from '../../../client/convert.ts';
import { ROWS, tinyData } from '../../support/fixture-server.ts';
import { type CommandServer, LANGUAGE, startCommandServer, tunedRun } from './command-server.ts';
import { failed, startZeroth } from './zeroth-process.ts';

let place: CommandServer;
beforeAll(async () => {
  place = await startCommandServer();
  await place.zeroth.models.load('mlp.onnx');
  await tunedRun(place.zeroth, 'apart');
});
afterAll(() => place[Symbol.asyncDispose]());

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
    const run = await tunedRun(place.zeroth, 'scored');
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
      'zeroth eval: runs/socred does not exist\nthere is runs/scored, runs/apart\n',
    ],
  ])('%j ends with %i', async (args, code, stderr) => {
    expect(await place.run(...args)).toEqual(failed(code, stderr));
  });
});
