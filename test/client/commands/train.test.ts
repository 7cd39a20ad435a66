// `zeroth train` as people call it: a process, a tokenizer, files of rows, a fixture from the exporters.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { mkdir, readdir, symlink, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { afterAll, describe, expect, it, test } from 'vitest';
import { connect } from '../../../client/client.ts';
import { openTokenizer } from '../../../client/text/tokenizer.ts';
import { encoderOf } from '../../model/adapter/head-cases.ts';
import { startServerProcess, temporaryFolder } from '../../support/server-process.ts';
import { startHub } from '../hub/hub-stand-in.ts';

const LANGUAGE = resolve('test/fixtures/language');
const BERT = `${LANGUAGE}/tokenizers/bert`;
const folder = await temporaryFolder();
const at = (name: string) => join(folder.path, name);
afterAll(() => folder[Symbol.asyncDispose]());

type Review = { readonly text: string; readonly label: unknown };

const words = [
  ['dull', 'a waste', 'badly told', 'loud and grey'],
  ['wonderful', 'a quiet delight', 'very funny', 'the best'],
] as const;

function reviews(count: number, offset: number): Review[] {
  return Array.from({ length: count }, (_, i) => {
    const [side, noun] = [(i * 7 + offset) % 2, ['film', 'story', 'cast', 'music', 'show'][(i + offset) % 5]];
    return { text: `The ${noun} was ${words[side][(i >> 1) % 4]}.`, label: side === 1 ? 'pos' : 'neg' };
  });
}

async function writeRows(name: string, rows: readonly object[]): Promise<string> {
  await writeFile(at(name), rows.map((row) => `${JSON.stringify(row)}\n`).join(''));
  return at(name);
}

const train = await writeRows('train.jsonl', reviews(60, 0));
const held = await writeRows('held.jsonl', reviews(30, 1));
const model = ['--model', `${LANGUAGE}/distilbert-classification.onnx`, '--tokenizer', BERT];
const learning = ['--learning-rate', '1e-3', '--steps', '40'];

function start(args: readonly string[], env: Readonly<Record<string, string>> = {}) {
  const child = spawn(process.execPath, ['client/zeroth.ts', 'train', ...args], {
    env: { ...process.env, NO_COLOR: '1', ...env },
  });
  const printed = { stdout: '', stderr: '' };
  for (const name of ['stdout', 'stderr'] as const)
    child[name].on('data', (data: Buffer) => {
      printed[name] += data;
    });
  const ended = once(child, 'close').then(([code]) => ({ code: Number(code), ...printed }));
  return { child, ended };
}

const zerothTrain = (...args: readonly string[]) => start(args).ended;

/** Row by row, without padding and without Zeroth. */
async function plainAccuracy(file: string, rows: readonly Review[]): Promise<number> {
  const tokenizer = await openTokenizer(BERT);
  const session = await InferenceSession.create(file);
  let right = 0;
  for (const { text, label } of rows) {
    const ids = BigInt64Array.from(tokenizer.encode(text).ids, BigInt);
    const input_ids = new Tensor('int64', ids, [1, ids.length]);
    const attention_mask = new Tensor(
      'int64',
      ids.map(() => 1n),
      [1, ids.length],
    );
    const { logits } = await session.run({ input_ids, attention_mask });
    const [neg, pos] = logits.data as Float32Array;
    if (pos > neg === (label === 'pos')) right++;
  }
  await session.release();
  return right / rows.length;
}

describe('a server of its own', () => {
  it('tunes a model, says how it went, and leaves a file that does as well in plain ONNX Runtime', async () => {
    const out = at('tuned.onnx');
    const files = ['--data', train, '--eval', held, '--out', out];
    const { code, stdout, stderr } = await zerothTrain(
      ...model,
      ...learning,
      ...files,
      '--eval-every',
      '20',
      '--json',
    );
    expect([code, stderr]).toEqual([
      0,
      expect.stringMatching(/^step 40 +train loss .*, held-out loss .*, accuracy /m),
    ]);
    const summary = JSON.parse(stdout);
    expect(summary).toMatchObject({
      steps: 40,
      examplesForwarded: 1280,
      isWhole: true,
      classes: ['neg', 'pos'],
    });
    expect(summary.evaluations.map(({ step, revision }: never) => [step, revision])).toEqual([
      [0, 0],
      [20, 20],
      [40, 40],
    ]);
    const [before, , after] = summary.evaluations;
    expect(after.loss).toBeLessThan(before.loss);
    expect(await plainAccuracy(out, reviews(30, 1))).toBeCloseTo(after.accuracy, 9);
  });

  it('prints a summary for people; a causal model learns with MeZO-SVRG, within a budget of examples; rows of Parquet are named too', async () => {
    const out = at('gpt2.onnx');
    const rows = await writeRows('texts.jsonl', [
      { text: 'It was late.' },
      { text: 'The walk home was the best thing.' },
    ]);
    const { code, stdout, stderr } = await zerothTrain(
      ...[
        '--model',
        `${LANGUAGE}/gpt2.onnx`,
        '--tokenizer',
        `${LANGUAGE}/tokenizers/gpt2`,
        '--task',
        'causal-lm',
      ],
      ...['--data', rows, '--out', out, '--strategy', 'mezo-svrg', '--learning-rate', '1e-4'],
      ...['--batch-size', '2', '--examples', '60'],
    );
    expect([code, stderr]).toEqual([0, expect.stringContaining('rows       2 rows of up to ')]);
    expect(stdout).toMatch(/^│ step │ train loss │$/m);
    expect(stdout).toMatch(/^mezo-svrg: 10 steps, 60 examples forwarded, /m);
    expect(stdout).toMatch(/gpt2\.onnx: \d+\.\d KiB\nSHA-256 [0-9a-f]{64}$/m);
    const small = ['--data', 'test/client/text/parquet/zstd.parquet', '--batch-size', '2', '--out', out];
    const refused = await zerothTrain(...model, ...learning, ...small);
    expect([refused.code, refused.stderr]).toEqual([
      4,
      expect.stringContaining('zstd.parquet:3: expected a value for "label", got '),
    ]);
  });

  it('takes any strategy, its options by --set, and makes the run with the directions that it is meant for', async () => {
    const options = ['--strategy', 'fzoo', '--learning-rate', '1e-3', '--set', 'directions=3'];
    const schedule = ['--set', 'schedule.kind=linear', '--set', 'schedule.total_steps=9'];
    const out = at('fzoo.onnx');
    const { code, stdout, stderr } = await zerothTrain(
      ...[...model, '--data', train, ...options, ...schedule, '--examples', '256', '--json', '--out', out],
    );
    expect([code, stderr]).toEqual([0, expect.stringContaining('step 4')]);
    expect(JSON.parse(stdout)).toMatchObject({
      strategy: {
        name: 'fzoo',
        learningRate: 1e-3,
        epsilon: 1e-4,
        directions: 3,
        schedule: { kind: 'linear', totalSteps: 9, warmupSteps: 0 },
        batchSize: 16,
        seed: '1',
      },
      steps: 4,
      examplesForwarded: 256,
    });
  });

  it('takes model and tokenizer from the Hub, where they have names there', async () => {
    const files = {
      'onnx/model.onnx': readFileSync(`${LANGUAGE}/distilbert-classification.onnx`),
      'tokenizer.json': readFileSync(`${BERT}/tokenizer.json`),
      'config.json': Buffer.from('{"id2label": {"0": "pos", "1": "neg"}}'),
    };
    await using hub = await startHub('me/tiny', files);
    const env = { HF_ENDPOINT: hub.url, HF_HOME: at('hf') };
    const args = ['--model', 'hf:me/tiny', '--data', train, '--out', at('hub.onnx'), ...learning];
    const { code, stderr, stdout } = await start(args, env).ended;
    expect([code, stderr]).toEqual([0, expect.stringMatching(/^download +onnx\/model\.onnx, 0\.2 MiB$/m)]);
    expect(stderr).toMatch(/^classes +0 pos, 1 neg$/m);
    expect(stdout).toMatch(/hub\.onnx: \d+\.\d KiB$/m);
  });

  it('trains adapters, and merges them; puts a head behind a model that has none', async () => {
    const out = at('adapted.onnx');
    const rows = ['--data', train, '--eval', held, '--out', out, '--json'];
    const adapted = await zerothTrain(
      ...model,
      ...rows,
      '--learning-rate',
      '1e-2',
      '--steps',
      '40',
      '--lora-rank',
      '2',
      '--merge',
    );
    expect([adapted.code, adapted.stderr]).toEqual([0, expect.stringContaining('step 40')]);
    const summary = JSON.parse(adapted.stdout);
    expect(summary.additions).toEqual({ lora: { rank: 2, alpha: 16, isMerged: true } });
    expect(await plainAccuracy(out, reviews(30, 1))).toBeCloseTo(summary.evaluations.at(-1).accuracy, 9);

    await writeFile(at('encoder.onnx'), encoderOf('distilbert-classification'));
    const encoder = ['--model', at('encoder.onnx'), '--tokenizer', BERT];
    const headless = await zerothTrain(...encoder, ...rows, ...learning);
    expect([headless.code, headless.stderr]).toEqual([
      4,
      expect.stringContaining('--task: expected causal-lm or masked-lm (or a new --head)'),
    ]);
    const headed = await zerothTrain(...encoder, ...rows, ...learning, '--head', 'mean');
    expect([headed.code, headed.stderr]).toEqual([
      0,
      expect.stringMatching(/^step 40 +train loss .*, accuracy /m),
    ]);
  });

  it('trains a prompt in front of every row, of which the file has the weights as they were', async () => {
    const out = at('prompted.onnx');
    const rows = ['--data', train, '--eval', held, '--out', out, '--json'];
    const rate = ['--learning-rate', '1e-2', '--steps', '40'];
    const prompted = await zerothTrain(...model, ...rows, ...rate, '--prompt-tokens', '4');
    expect([prompted.code, prompted.stderr]).toEqual([0, expect.stringContaining('step 40')]);
    const summary = JSON.parse(prompted.stdout);
    expect(summary.additions).toEqual({ promptTokens: 4 });
    expect(summary.evaluations.at(-1).trainLoss).toBeLessThan(summary.evaluations[1].trainLoss);
    expect(await plainAccuracy(out, reviews(30, 1))).toBeCloseTo(summary.evaluations.at(-1).accuracy, 9);

    const texts = await writeRows('prefixed.jsonl', [{ text: 'It was late.' }, { text: 'The walk home.' }]);
    const causal = [
      ...['--model', `${LANGUAGE}/llama-past.onnx`, '--tokenizer', `${LANGUAGE}/tokenizers/gpt2`],
      ...['--task', 'causal-lm', '--data', texts, '--batch-size', '2', '--out', at('prefixed.onnx')],
    ];
    const prefixed = await zerothTrain(...causal, ...rate, '--prefix-tokens', '3', '--json');
    expect([prefixed.code, JSON.parse(prefixed.stdout).additions]).toEqual([0, { prefixTokens: 3 }]);
    const { inputNames } = await InferenceSession.create(at('prefixed.onnx'));
    expect(inputNames).toEqual(['input_ids', 'attention_mask', 'position_ids']);
  });

  it('loses no training of quantized weights, which adapters cannot be merged into', async () => {
    const out = at('int4.onnx');
    const texts = await writeRows('int4.jsonl', [{ text: 'It was late.' }, { text: 'The walk home.' }]);
    const { code, stderr } = await zerothTrain(
      ...['--model', `${LANGUAGE}/llama-int4.onnx`, '--tokenizer', `${LANGUAGE}/tokenizers/gpt2`],
      ...['--task', 'causal-lm', '--data', texts, '--batch-size', '2', '--learning-rate', '1e-3'],
      ...['--steps', '2', '--lora-rank', '2', '--merge', '--out', out],
    );
    expect([code, stderr]).toEqual([
      1,
      expect.stringContaining(`${out} has its adapters beside its weights`),
    ]);
    await (await InferenceSession.create(out)).release();
  });

  it('on an interrupt makes its step whole, and writes the model', async () => {
    const out = at('interrupted.onnx');
    const { child, ended } = start([
      ...model,
      ...[
        '--data',
        train,
        '--out',
        out,
        '--learning-rate',
        '1e-3',
        '--steps',
        '1000000',
        '--eval',
        held,
        '--eval-every',
        '5',
      ],
    ]);
    await new Promise<void>((resolve) => {
      child.stderr.on('data', (data: Buffer) => String(data).includes('step 5 ') && resolve());
    });
    child.kill('SIGINT');
    const { code, stdout } = await ended;
    const steps = Number(/^mezo: (\d+) steps, interrupted, /m.exec(stdout)?.[1]);
    expect(code).toBe(130);
    expect(steps).toBeGreaterThan(4);
    expect(stdout).toContain(`│ ${String(steps).padStart(4)} │`);
    expect(existsSync(out)).toBe(true);
  });
});

describe('a server that goes on', () => {
  it('keeps the run of a training, and nothing of one that failed', async () => {
    await using serverFolder = await temporaryFolder();
    await symlink(LANGUAGE, join(serverFolder.path, 'models'));
    const server = await startServerProcess(serverFolder.path);
    await using zeroth = connect(server.address);
    const there = async () => ({
      models: (await Array.fromAsync(zeroth.models.list())).length,
      datasets: (await Array.fromAsync(zeroth.datasets.list())).length,
      runs: (await Array.fromAsync(zeroth.runs.list())).length,
    });
    const remote = [
      '--server',
      server.address,
      '--model',
      'distilbert-classification.onnx',
      '--tokenizer',
      BERT,
    ];
    const files = ['--data', train, '--out', at('remote.onnx')];
    const long = await writeRows('long.jsonl', [
      ...reviews(8, 0),
      { text: 'It was late. '.repeat(40), label: 'pos' },
    ]);

    const refused = await zerothTrain(...remote, ...learning, ...files, '--batch-size', '4', '--data', long);
    expect([refused.code, refused.stderr]).toEqual([
      4,
      expect.stringContaining("long.jsonl:9: expected at most the model's 64 positions"),
    ]);
    const diverged = await zerothTrain(...remote, ...files, '--learning-rate', '1e6', '--steps', '20');
    expect([diverged.code, diverged.stderr]).toEqual([
      1,
      expect.stringContaining('a lower --learning-rate may'),
    ]);
    expect([existsSync(at('remote.onnx')), await there()]).toEqual([
      false,
      { models: 0, datasets: 0, runs: 0 },
    ]);

    const { code, stdout } = await zerothTrain(...remote, ...learning, ...files);
    expect([code, stdout]).toEqual([0, expect.stringMatching(/^runs\/.* stays on .*, at revision 40$/m)]);
    expect(await there()).toEqual({ models: 1, datasets: 1, runs: 1 });
    await server.stop();
  });

  it('that does not answer is told of at once', async () => {
    const remote = ['--server', '127.0.0.1:1', '--model', 'x.onnx', '--tokenizer', BERT, '--data', train];
    const { code, stderr } = await zerothTrain(...remote, ...learning, '--out', at('x.onnx'));
    expect([code, stderr]).toEqual([3, expect.stringContaining('no server answers at 127.0.0.1:1')]);
  });
});

describe('what is wrong is named, and nothing is written', async () => {
  await mkdir(at('other'));
  const other = JSON.parse(readFileSync(`${BERT}/tokenizer.json`, 'utf8'));
  other.added_tokens.push({
    id: 500,
    content: 'film',
    special: false,
    normalized: false,
    lstrip: false,
    rstrip: false,
    single_word: false,
  });
  await writeFile(at('other/tokenizer.json'), JSON.stringify(other));
  const noLabel = await writeRows(
    'no-label.jsonl',
    reviews(60, 0).map((row, i) => (i === 6 ? { text: row.text } : row)),
  );
  const unknownLabel = await writeRows('unknown.jsonl', [{ text: 'So so.', label: 'mixed' }]);

  test.each<[string, string[], number, string]>([
    [
      'a row without a label',
      ['--data', noLabel],
      4,
      'no-label.jsonl:7: expected a value for "label", got a row with text',
    ],
    [
      'a prompt that leaves no position for rows',
      ['--prompt-tokens', '60', '--prefix-tokens', '4'],
      4,
      "--prompt-tokens: expected fewer tokens than the model's 64 positions, got 64",
    ],
    [
      'a prefix of a model without a past',
      ['--prefix-tokens', '4'],
      4,
      'prefix: expected a model with inputs for a past',
    ],
    [
      'a column that is not there',
      ['--label', 'verdict'],
      4,
      'train.jsonl:1: expected a value for "verdict", got a row with text, label',
    ],
    [
      'a label that nothing is trained on',
      ['--eval', unknownLabel],
      4,
      'unknown.jsonl:1: expected a label among neg, pos, got "mixed"',
    ],
    [
      "another model's tokenizer",
      ['--tokenizer', at('other')],
      4,
      'train.jsonl:1: expected tokens of a vocabulary of 280, as the model has embeddings, got token 500, "film"',
    ],
    [
      'a folder without a tokenizer',
      ['--tokenizer', folder.path],
      4,
      '--tokenizer: expected a folder with a readable',
    ],
    [
      'rows longer than the model has positions',
      ['--max-length', '5000'],
      4,
      "--max-length: expected at most the model's 64 positions, got 5000",
    ],
    [
      'adapters that are no smaller than what they adapt',
      ['--lora-rank', '999'],
      4,
      '--lora-rank: expected an integer from 1 to 32, the smaller side of "',
    ],
    [
      'a model that is not there',
      ['--model', at('no.onnx')],
      4,
      '--model: expected an ONNX file, or a folder with one, got',
    ],
    [
      'a task that the model is not for',
      ['--task', 'causal-lm'],
      4,
      "--task: expected classification, since the model's logits is [-1, 2], got causal-lm",
    ],
    [
      'more rows a batch than there are',
      ['--batch-size', '61'],
      4,
      '--batch-size: expected at most the 60 rows of',
    ],
    [
      'a folder to write to that is not there',
      ['--out', at('no/tuned.onnx')],
      4,
      '--out: expected a file in a folder that can be written to',
    ],
    [
      'an unknown task',
      ['--task', 'classify'],
      2,
      '--task: expected one of classification, causal-lm, masked-lm, got "classify"',
    ],
    [
      'an option that the strategy does not have',
      ['--set', 'q=10'],
      2,
      '--set: expected an option among learning_rate, epsilon, directions, weight_decay, decay_every, schedule.kind',
    ],
    [
      'a flag that the strategy does not have',
      ['--strategy', 'es', '--directions', '3'],
      2,
      '--directions: expected a strategy that has it, got es',
    ],
    [
      'an option that is no number',
      ['--strategy', 'mezo-svrg', '--set', 'anchor_rows=many'],
      2,
      '--set anchor_rows: expected a whole number of 1 or more, got "many"',
    ],
    [
      'an option out of range',
      ['--strategy', 'mezo-svrg', '--set', 'annealing.window=5', '--set', 'annealing.factor=1'],
      2,
      '--set annealing.factor: expected a finite number above 1, got 1',
    ],
    [
      'a rate that the strategy calls otherwise',
      ['--strategy', 'spsa', '--set', 'c=0.1'],
      2,
      '--learning-rate: expected a strategy that has it, got spsa',
    ],
    ['an option without a value', ['--set', 'q'], 2, '--set: expected OPTION=VALUE, as q=10, got "q"'],
    ['an unknown flag', ['--step', '3'], 2, "unknown option '--step' (Did you mean --steps?)"],
    ['two budgets', ['--examples', '3'], 2, '--examples: expected one of --steps and --examples, got both'],
  ])('%s', async (_, args, wanted, message) => {
    const before = await readdir(folder.path);
    const { code, stdout, stderr } = await zerothTrain(
      ...model,
      ...learning,
      '--data',
      train,
      '--out',
      at('wrong.onnx'),
      ...args,
    );
    expect([code, stdout, stderr]).toEqual([wanted, '', expect.stringContaining(`zeroth train: ${message}`)]);
    expect(await readdir(folder.path)).toEqual(before);
  });
});
