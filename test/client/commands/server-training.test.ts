// zeroth train against a server that goes on: trainings that it runs itself, and runs that are gone on with.
import { writeFile } from 'node:fs/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type CommandServer, LANGUAGE, startCommandServer } from './command-server.ts';
import { hasScript, resize, said, startOnTerminal } from './zeroth-process.ts';

let place: CommandServer;
let rows: readonly string[];
beforeAll(async () => {
  place = await startCommandServer();
  const words = ['dull', 'warm', 'grey', 'bright', 'flat', 'kind', 'cold', 'funny'];
  const all = words.map((word, i) => ({ text: `a ${word} film`, label: i % 2 === 0 ? 'neg' : 'pos' }));
  await writeFile(place.at('rows.jsonl'), all.map((row) => `${JSON.stringify(row)}\n`).join(''));
  rows = [
    '--data',
    place.at('rows.jsonl'),
    '--tokenizer',
    `${LANGUAGE}/tokenizers/bert`,
    '--batch-size',
    '4',
  ];
});
afterAll(() => place[Symbol.asyncDispose]());

const learning = ['--learning-rate', '1e-3', '--steps', '10'];

test('--detach leaves a training to the server, which is the one that would have been driven from here', async () => {
  const model = ['--model', 'bert.onnx', ...rows, ...learning];
  const detached = await place.run('train', ...model, '--detach', '--id', 'there');
  expect(detached).toMatchObject({
    code: 0,
    stdout:
      'runs/there/trainings/mezo goes on by itself\nzeroth watch runs/there shows how it goes, zeroth stop runs/there ends it\nzeroth export runs/there --out FILE writes the model\n',
  });
  expect((await place.run('watch', 'there')).code).toBe(0);
  const driven = await place.run('train', ...model, '--id', 'here', '--out', place.at('here.onnx'), '--json');
  expect(driven.code).toBe(0);
  const { weightsSha256 } = await place.json('export', 'there', '--out', place.at('there.onnx'));
  expect(await place.json('export', 'here', '--out', place.at('here.onnx'))).toMatchObject({ weightsSha256 });
});

test('--run goes on with a run, with directions that it has not had', async () => {
  const out = ['--out', place.at('more.onnx')];
  const more = await place.run('train', '--run', 'here', ...rows, ...learning, ...out, '--json');
  expect(more.code).toBe(0);
  const summary = JSON.parse(more.stdout);
  expect(summary).toMatchObject({ run: 'runs/here', task: 'classification', steps: 10 });
  expect(summary.strategy.seed).toBe('11');
  const entries = await Array.fromAsync(place.zeroth.journal.list('runs/here'));
  const seeds = entries.flatMap(({ change }) =>
    change?.$case === 'shifts' ? change.value.shifts.map(({ seed }) => seed) : [],
  );
  expect(new Set(seeds).size).toBe(20);
});

test.each<[string[], number, string]>([
  [['--run', 'here', '--model', 'bert.onnx'], 2, '--model: expected a new run for it, got --run'],
  [
    ['--run', 'here', '--task', 'causal-lm'],
    2,
    '--task: expected classification, which the run is scored by',
  ],
  [['--run', 'her'], 4, 'runs/her does not exist\nthere is runs/here, runs/there\n'],
  [
    ['--model', 'brt.onnx'],
    4,
    '--model brt.onnx: the file "brt.onnx" does not exist in the model directory, which has bert.onnx, mlp.onnx\nwith --server the path is one of the server\'s model directory\n',
  ],
  [
    ['--model', 'bert.onnx', '--id', 'No id'],
    4,
    '--id: expected 1 to 63 lower-case letters, digits and hyphens, no hyphen at either end, got "No id"\n',
  ],
  [['--run', 'models/bert'], 4, '--run: expected a name of the form "runs/*", got "models/bert"\n'],
  [
    ['--model', '../bert.onnx'],
    4,
    '--model ../bert.onnx: expected a path relative to the model directory, without ".."',
  ],
  [['--model', 'bert.onnx', '--id', 'here'], 4, 'runs/here exists already\n'],
  [['--model', 'bert.onnx', '--detach', '--out', 'x'], 2, '--out: expected none with --detach, got a file'],
])('%j ends with %i', async (flags, code, message) => {
  const ended = await place.run('train', ...flags, ...rows, ...learning);
  expect([ended.code, ended.stdout, ended.stderr]).toEqual([code, '', expect.stringContaining(message)]);
});

test.runIf(hasScript)(
  'on a terminal that becomes narrower the bar begins where the folded one began',
  async () => {
    const nameFile = place.at('terminal');
    const size = { columns: 80, rows: 24, nameFile };
    const forLong = ['--learning-rate', '1e-6', '--steps', '1000000', '--out', place.at('narrow.onnx')];
    const args = ['train', '--model', 'bert.onnx', '--id', 'narrow', ...rows, ...forLong];
    const started = startOnTerminal(args, size, place.env);
    await said(started, 'stdout', ' of 1000000 | loss ');
    // 79 columns are two lines of 50.
    const upOne = '\x1b[1A\x1b[J';
    expect(started.printed.stdout).not.toContain(upOne);
    resize(nameFile, 50);
    await said(started, 'stdout', upOne);
    started.child.stdin!.write('\x03');
    const { code, stdout } = await started.ended;
    expect([code, stdout.split(upOne).length]).toEqual([130, 2]);
  },
);
