// `zeroth train` as people call it: a process, a tokenizer, files of rows, a fixture from the exporters.
import { existsSync, readFileSync } from 'node:fs';
import { symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { connect } from '../../../client/client.ts';
import { NoiseTable } from '../../../proto/gen/zeroth/v1/run_service.ts';
import { startServerProcess, temporaryFolder } from '../../support/server-process.ts';
import { startHub } from '../hub/hub-stand-in.ts';
import { LANGUAGE } from './command-server.ts';
import { BERT, learning, model, plainAccuracy, prepareReviews, reviews, zerothTrain } from './train-cases.ts';
import { said, startZeroth } from './zeroth-process.ts';

const folder = await prepareReviews();
const { at, train, held, writeRows } = folder;
afterAll(() => folder[Symbol.asyncDispose]());

describe('a server of its own', () => {
  it('tunes a model, says how it went, and leaves a file that does as well in plain ONNX Runtime', async () => {
    const out = at('tuned.onnx');
    const files = ['--data', train, '--eval', held, '--out', out, '--eval-every', '20', '--json'];
    const { code, stdout, stderr } = await zerothTrain(...model, ...learning, ...files);
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

  it('prints a summary for people; a causal model learns with MeZO-SVRG, within a budget of examples', async () => {
    const out = at('gpt2.onnx');
    const rows = await writeRows('texts.jsonl', [
      { text: 'It was late.' },
      { text: 'The walk home was the best thing.' },
    ]);
    const { code, stdout, stderr } = await zerothTrain(
      ...['--model', `${LANGUAGE}/gpt2.onnx`, '--tokenizer', `${LANGUAGE}/tokenizers/gpt2`],
      ...['--task', 'causal-lm', '--data', rows, '--out', out, '--strategy', 'mezo-svrg'],
      ...['--learning-rate', '1e-4', '--batch-size', '2', '--examples', '60'],
    );
    expect([code, stderr]).toEqual([0, expect.stringContaining('rows       2 rows of up to ')]);
    expect(stdout).toMatch(/^│ step │ train loss │$/m);
    expect(stdout).toMatch(/^mezo-svrg: 10 steps, 60 examples forwarded, /m);
    expect(stdout).toMatch(/gpt2\.onnx: \d+\.\d KiB\nSHA-256 [0-9a-f]{64}$/m);
  });

  it('takes any strategy, and its options by --set', async () => {
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
    const { code, stderr, stdout } = await startZeroth(['train', ...args], env).ended;
    expect([code, stderr]).toEqual([0, expect.stringMatching(/^download +onnx\/model\.onnx, 0\.2 MiB$/m)]);
    expect(stderr).toMatch(/^classes +0 pos, 1 neg$/m);
    expect(stdout).toMatch(/hub\.onnx: \d+\.\d KiB$/m);
  });

  it('on an interrupt makes its step whole, and writes the model', async () => {
    const out = at('interrupted.onnx');
    const endless = ['--learning-rate', '1e-3', '--steps', '1000000', '--eval', held, '--eval-every', '5'];
    const started = startZeroth(['train', ...model, '--data', train, '--out', out, ...endless]);
    await said(started, 'stderr', 'step 5 ');
    started.child.kill('SIGINT');
    const { code, stdout } = await started.ended;
    const steps = Number(/^mezo: (\d+) steps, interrupted, /m.exec(stdout)?.[1]);
    expect(code).toBe(130);
    expect(steps).toBeGreaterThan(4);
    expect(stdout).toContain(`│ ${String(steps).padStart(4)} │`);
    expect(existsSync(out)).toBe(true);
  });
});

describe('a server that goes on', () => {
  it('keeps the run of a training, with the directions that its strategy is meant for, and nothing of one that failed', async () => {
    await using serverFolder = await temporaryFolder();
    await symlink(LANGUAGE, join(serverFolder.path, 'models'));
    const server = await startServerProcess(serverFolder.path);
    await using zeroth = connect(server.address);
    const there = async () => ({
      models: (await Array.fromAsync(zeroth.models.list())).length,
      datasets: (await Array.fromAsync(zeroth.datasets.list())).length,
      runs: (await Array.fromAsync(zeroth.runs.list())).length,
    });
    const onServer = ['--server', server.address, '--model', 'distilbert-classification.onnx'];
    const remote = [...onServer, '--tokenizer', BERT];
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

    const { code, stdout } = await zerothTrain(...remote, ...learning, ...files, '--strategy', 'fzoo');
    expect([code, stdout]).toEqual([0, expect.stringMatching(/^runs\/.* stays on .*, at revision 40$/m)]);
    expect(await there()).toEqual({ models: 1, datasets: 1, runs: 1 });
    const [{ table }] = await Array.fromAsync(zeroth.runs.list());
    expect(table).toBe(NoiseTable.NOISE_TABLE_RADEMACHER);
    await server.stop();
  });

  it('that does not answer is told of at once', async () => {
    const remote = ['--server', '127.0.0.1:1', '--model', 'x.onnx', '--tokenizer', BERT, '--data', train];
    const { code, stderr } = await zerothTrain(...remote, ...learning, '--out', at('x.onnx'));
    expect([code, stderr]).toEqual([3, expect.stringContaining('no server answers at 127.0.0.1:1')]);
  });
});
