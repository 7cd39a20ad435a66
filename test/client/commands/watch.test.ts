// zeroth watch as people call it: piped and on a terminal, while a training goes on, ends, fails, and its server goes away.
import { afterAll, beforeAll, describe, expect, it, test } from 'vitest';
import type { DeepPartial, TrainingPlan } from '../../../proto/gen/zeroth/v1/training_service.ts';
import { OBJECTIVE, tinyData } from '../../support/fixture-server.ts';
import { startServerProcess, temporaryFolder } from '../../support/server-process.ts';
import { type CommandServer, startCommandServer } from './command-server.ts';
import { hasScript, said, startOnTerminal, startZeroth } from './zeroth-process.ts';

let place: CommandServer;
let dataset: string;
beforeAll(async () => {
  place = await startCommandServer();
  await place.zeroth.models.load('mlp.onnx');
  ({
    dataset: { name: dataset },
  } = await place.zeroth.datasets.create(tinyData()));
});
afterAll(() => place[Symbol.asyncDispose]());

/** One that goes on for longer than a test, unless the plan says otherwise. */
async function startTraining(runId: string, more: DeepPartial<TrainingPlan> = {}): Promise<string> {
  const { name: run } = await place.zeroth.runs.create({ model: 'models/mlp', runId, objective: OBJECTIVE });
  const plan: DeepPartial<TrainingPlan> = {
    ...{ dataset, batchSize: 8, batchSeed: 3n, budget: { $case: 'steps', value: 10_000_000n } },
    strategy: { kind: { $case: 'mezo', value: { seed: 5n, learningRate: 1e-3 } } },
    ...more,
  };
  const { name } = await place.zeroth.trainings.start({ run, trainingId: 'mezo', plan });
  return name;
}

const steps = (value: bigint) => ({ $case: 'steps', value }) as const;

/** Twelve steps, which are over. */
async function finishedTraining(runId: string): Promise<string> {
  const name = await startTraining(runId, { budget: steps(12n), evaluation: { dataset, every: 6n } });
  await place.zeroth.trainings.finished(name);
  return name;
}

const watch = (...args: readonly string[]) => startZeroth(['watch', ...args], place.env);

describe('without a terminal', () => {
  it('a training is lines: what is rare at once, steps every so often, and where it stands at the end', async () => {
    await finishedTraining('lines');
    const { code, stdout, stderr } = await watch('lines').ended;
    expect([code, stderr]).toEqual([0, '']);
    expect(stdout).toMatch(
      new RegExp(
        `^${[
          'runs/lines/trainings/mezo: mezo, batches of 8',
          'running',
          'step 0, held-out loss \\d\\.\\d{4}',
          'step 6, held-out loss \\d\\.\\d{4}',
          'step 12, held-out loss \\d\\.\\d{4}',
          'completed: its budget is spent',
          'step 12 of 12, loss \\d\\.\\d{4} \\(mean of the last 12\\), .* steps/s, .* examples/s, revision 12',
        ].join('\n')}\n$`,
      ),
    );
  });

  it('with --json it is an object a line: what it is of, and every event with its numbers', async () => {
    const name = await finishedTraining('events');
    const { code, stdout, stderr } = await watch(name, '--json').ended;
    expect([code, stderr]).toEqual([0, '']);
    const [begin, ...events] = stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(begin).toMatchObject({ event: 'begin', training: { name, state: 'completed', step: 12 } });
    const wanted = await Array.fromAsync(place.zeroth.trainings.watch(name));
    expect(events.map(({ number }) => number)).toEqual(wanted.map(({ number }) => Number(number)));
    const losses = wanted.flatMap(({ event }) => (event?.$case === 'step' ? [event.value.loss] : []));
    expect(events.filter(({ event }) => event === 'step').map(({ loss }) => loss)).toEqual(losses);
    expect(events.at(-1)).toMatchObject({
      event: 'state',
      state: 'completed',
      reason: 'its budget is spent',
    });
  });

  it('a run without a training is its journal, which goes on until Ctrl-C', async () => {
    const { name } = await place.zeroth.runs.create({
      ...{ model: 'models/mlp', runId: 'journal', objective: OBJECTIVE },
    });
    const update = (seed: bigint) =>
      place.zeroth.oracle.update({ run: name, shifts: [{ seed, scale: 0.01 }], requestId: `${seed}` });
    await update(1n);
    const started = watch('journal', '--every', '1e-3');
    await said(started, 'stdout', 'revision 1, size of updates 1.00e-2\n');
    await update(2n);
    await said(started, 'stdout', 'revision 2, size of updates 1.00e-2 (mean of the last 2)');
    await place.zeroth.runs.rollback({ name, revision: 1n, requestId: 'back' });
    await said(started, 'stdout', 'revision 3 is a rollback\n');
    started.child.kill('SIGINT');
    expect(await started.ended).toMatchObject({ code: 130, stderr: '' });
    const behind = watch('journal', '--from', '1', '--json');
    await said(behind, 'stdout', '"change":"rollback"');
    behind.child.kill('SIGTERM');
    const { code, stdout } = await behind.ended;
    const lines = stdout.trimEnd().split('\n');
    expect([code, lines.map((line) => JSON.parse(line).revision)]).toEqual([130, [undefined, 2, 3]]);
  });

  it('ends with 130 where the training is stopped, with 1 where it fails, and says why', async () => {
    const name = await startTraining('stopped');
    const started = watch('stopped');
    await said(started, 'stdout', 'running\n');
    await place.zeroth.trainings.stop(name);
    expect(await started.ended).toMatchObject({
      code: 130,
      stdout: expect.stringContaining('\nstopped'),
      stderr: '',
    });
    const strategy = { kind: { $case: 'mezo', value: { seed: 5n, learningRate: 1e30 } } } as const;
    await startTraining('failed', { strategy });
    const failed = await watch('failed').ended;
    expect(failed).toMatchObject({
      code: 1,
      stdout: expect.stringMatching(/\nfailed: /),
      stderr: expect.stringMatching(
        /^zeroth watch: runs\/failed\/trainings\/mezo failed: .*\nwhat it had done stays in the run; zeroth resume runs\/failed\/trainings\/mezo goes on /,
      ),
    });
    const { stderr } = await watch('failed', '--json').ended;
    expect(JSON.parse(stderr).error.reason).toBe('TRAINING_FAILED');
  });

  it('says on Ctrl-C what becomes of the training, unless it speaks JSON', async () => {
    const name = await startTraining('words');
    const interrupted = async (...args: readonly string[]) => {
      const started = watch('words', ...args);
      await said(started, 'stdout', args.includes('--json') ? '"event":"step"' : 'step ');
      started.child.kill('SIGINT');
      const { code, stderr } = await started.ended;
      return [code, stderr];
    };
    const often = ['--every', '1e-3'];
    expect(await interrupted(...often)).toEqual([130, `${name} goes on; zeroth stop runs/words ends it\n`]);
    expect(await interrupted('--json')).toEqual([130, '']);
    await place.zeroth.trainings.pause(name);
    const paused = watch('words', ...often);
    await said(paused, 'stdout', 'paused: paused\n');
    paused.child.kill('SIGINT');
    expect(await paused.ended).toMatchObject({
      code: 130,
      stderr: `${name} is paused; zeroth resume runs/words goes on with it\n`,
    });
    await place.zeroth.trainings.stop(name);
  });

  test.each([
    ['wathc', /^zeroth watch: runs\/wathc does not exist\nthere is runs\//],
    ['runs/lines/trainings/none', /^zeroth watch: .*\nthere is runs\/lines\/trainings\/mezo\n$/],
  ])('%s is not there, which ends with 4', async (name, stderr) => {
    expect(await watch(name).ended).toEqual({ code: 4, stdout: '', stderr: expect.stringMatching(stderr) });
  });

  it('waits for a server that was killed, and goes on where it was', async () => {
    await using folder = await temporaryFolder();
    await using own = await startCommandServer({ folder });
    await own.zeroth.models.load('mlp.onnx');
    const { dataset: rows } = await own.zeroth.datasets.create(tinyData());
    await own.zeroth.runs.create({ model: 'models/mlp', runId: 'one', objective: OBJECTIVE });
    const plan: DeepPartial<TrainingPlan> = {
      ...{ dataset: rows.name, batchSize: 8, budget: steps(3000n) },
      strategy: { kind: { $case: 'mezo', value: { seed: 5n, learningRate: 1e-3 } } },
    };
    await own.zeroth.trainings.start({ run: 'runs/one', trainingId: 'mezo', plan });
    const started = startZeroth(['watch', 'one', '--json'], own.env);
    await said(started, 'stdout', '"step":10,');
    await own.server.kill();
    const port = own.server.address.split(':')[1];
    const again = await startServerProcess(folder.path, ['--port', port]);
    const { code, stdout, stderr } = await started.ended;
    expect([code, stderr]).toEqual([0, '']);
    const events = stdout
      .trimEnd()
      .split('\n')
      .slice(1)
      .map((line) => JSON.parse(line));
    expect(events.map(({ number }) => number)).toEqual(events.map((_, i) => i + 1));
    expect(events.filter(({ event }) => event === 'step').map(({ step }) => step)).toEqual(
      Array.from({ length: 3000 }, (_, i) => i + 1),
    );
    await again.stop();
  });
});

const [ENTER, LEAVE] = ['\x1b[?1049h\x1b[?25l', '\x1b[?25h\x1b[?1049l'];

describe.runIf(hasScript)('on a terminal', () => {
  const size = { columns: 60, rows: 20 };

  it('is a curve on the other screen, of which the last picture stays', async () => {
    await finishedTraining('drawn');
    const { code, stdout } = await startOnTerminal(['watch', 'drawn'], size, { ...place.env, NO_COLOR: '1' })
      .ended;
    expect(code).toBe(0);
    const [before, screen, after] = stdout.split(new RegExp(`${escaped(ENTER)}|${escaped(LEAVE)}`));
    expect([before, screen.length > 0]).toEqual(['', true]);
    const lines = after.split('\r\n');
    expect(lines[0]).toMatch(/^runs\/drawn\/trainings\/mezo {2}completed +127\.0\.0\.1:\d+$/);
    expect(lines[0]).toHaveLength(60);
    expect(after).toMatch(/┤.*\r\n.*│/);
    expect(after).toMatch(/━/);
    expect(after).toContain('step 12 of 12   ███████████████ 100 %\r\n');
    expect(after).toMatch(/\r\nits budget is spent\r\n$/);
    expect(lines.every((line) => line.length <= 60)).toBe(true);
  });

  it('leaves the terminal as it was on Ctrl-C, and the training goes on', async () => {
    const name = await startTraining('left');
    const started = startOnTerminal(['watch', 'left'], size, place.env);
    await said(started, 'stdout', '━');
    started.child.stdin!.write('\x03');
    const { code, stdout } = await started.ended;
    expect(code).toBe(130);
    expect(stdout.split(ENTER)).toHaveLength(2);
    const [, after] = stdout.split(LEAVE);
    expect(after).toMatch(/step [\d,]+ of 10,000,000/);
    expect(after).toMatch(/\r\nruns\/left\/trainings\/mezo goes on; zeroth stop runs\/left ends it\r\n$/);
    expect(after.split('\r\n').length).toBeLessThanOrEqual(size.rows);
    expect(stdout.lastIndexOf('\x1b[?25l')).toBeLessThan(stdout.lastIndexOf('\x1b[?25h'));
    expect((await place.json('runs', 'show', 'left')).trainings[0].state).toBe('running');
    await place.zeroth.trainings.stop(name);
  });

  test.each<[string, string[], Record<string, string>, boolean]>([
    ['colours', [], {}, true],
    ['none with NO_COLOR', [], { NO_COLOR: '1' }, false],
    ['none with --no-color', ['--no-color'], {}, false],
    ['no picture where TERM=dumb', [], { TERM: 'dumb' }, false],
  ])('it has %s', async (_, flags, env, isColored) => {
    const { stdout } = await startOnTerminal(['watch', 'drawn', ...flags], size, { ...place.env, ...env })
      .ended;
    // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is looked for.
    expect(/\x1b\[\d+m/.test(stdout)).toBe(isColored);
    expect(stdout.includes(ENTER)).toBe(env.TERM !== 'dumb');
  });
});

function escaped(text: string): string {
  return text.replace(/[[?]/g, '\\$&');
}
