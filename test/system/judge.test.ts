// A remote objective in processes of their own: kill -9 of the server in the middle, a judge that comes back by itself, one in Python.
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { describe, expect, test } from 'vitest';
import { connect, type Zeroth } from '../../client/client.ts';
import { toFloat32 } from '../../client/tensor.ts';
import { TrainingState } from '../../proto/gen/zeroth/v1/training_service.ts';
import { everyRow, near, prepareFolder } from '../rpc/wire.ts';
import { CLASSES, tinyData } from '../support/fixture-server.ts';
import { crossEntropyOf, LOGITS_AND_LABELS, REMOTE, toIntegers } from '../support/judge.ts';
import { startServerProcess, temporaryFolder } from '../support/server-process.ts';

const RUN = 'runs/judged';
const NAME = `${RUN}/trainings/one`;

async function begin(zeroth: Zeroth, objective: { readonly name: string }, steps: bigint): Promise<string> {
  const { name: model } = await zeroth.models.load('mlp.onnx');
  const { dataset } = await zeroth.datasets.create(tinyData());
  await zeroth.runs.create({ model, runId: 'judged', objective });
  await zeroth.trainings.start({
    run: RUN,
    trainingId: 'one',
    plan: {
      dataset: dataset.name,
      batchSize: 8,
      batchSeed: 3n,
      strategy: { kind: { $case: 'mezo', value: { seed: 7n, learningRate: 1e-2, epsilon: 1e-2 } } },
      budget: { $case: 'steps', value: steps },
      evaluation: { dataset: dataset.name, every: 20n },
    },
  });
  return dataset.name;
}

async function outcome(zeroth: Zeroth) {
  const { state, stateReason, step, lastEvaluation } = await zeroth.trainings.finished(NAME);
  const { revision, weightsSha256 } = await zeroth.journal.verify(RUN);
  const entries = await Array.fromAsync(zeroth.journal.list(RUN), ({ change, requestId }) => ({
    change,
    requestId,
  }));
  return { state, stateReason, step, lastEvaluation, revision, weightsSha256, entries };
}

test('a training by a remote objective survives kill -9, and its judge comes back', {
  timeout: 300_000,
}, async () => {
  const steps = 100n;
  const trained = async (kills: number) => {
    await using folder = await temporaryFolder();
    await prepareFolder(folder.path);
    let server = await startServerProcess(folder.path);
    const flags = ['--port', server.address.split(':')[1]];
    await using zeroth = connect(server.address);
    let scored = 0;
    await using judge = zeroth.objectives.serve(REMOTE.name, LOGITS_AND_LABELS, async (request) => {
      scored++;
      return crossEntropyOf(request);
    });
    await judge.served;
    await begin(zeroth, REMOTE, steps);
    for (let times = 0; times < kills; times++) {
      const before = scored;
      while (scored < before + 20) await sleep(5);
      await server.kill();
      server = await startServerProcess(folder.path, flags);
    }
    const left = (await zeroth.trainings.get(NAME)).step;
    const end = await outcome(zeroth);
    expect(await server.stop()).toBe(0);
    return { left, end };
  };
  const killed = await trained(2);
  expect(killed.left).toBeLessThan(steps);
  expect(killed.end.state).toBe(TrainingState.TRAINING_STATE_COMPLETED);
  expect(killed.end).toEqual((await trained(0)).end);
});

/** A Python with what the judge needs, kept from one run to the next; or why there is none. */
async function pythonOfJudge(): Promise<{ readonly python: string } | { readonly why: string }> {
  const run = promisify(execFile);
  const environment = join(tmpdir(), 'zeroth-judge-venv');
  const python = join(environment, 'bin', 'python');
  const limit = { timeout: 240_000 };
  try {
    if (!existsSync(python)) await run('python3', ['-m', 'venv', environment], limit);
    const isThere = await run(python, ['-c', 'import grpc, grpc_tools'], limit).then(
      () => true,
      () => false,
    );
    const requirements = join('examples', 'judge', 'requirements.txt');
    if (!isThere) await run(python, ['-m', 'pip', 'install', '-q', '-r', requirements], limit);
    return { python };
  } catch (error) {
    return { why: `no Python with grpcio: ${error instanceof Error ? error.message.split('\n')[0] : error}` };
  }
}

async function serving(judge: ChildProcess): Promise<void> {
  let complaints = '';
  judge.stderr!.on('data', (data: Buffer) => {
    complaints += data;
  });
  const lines = createInterface({ input: judge.stdout! });
  await new Promise<void>((resolve, reject) => {
    judge.once('exit', (code) => reject(new Error(`the judge ended with code ${code}: ${complaints}`)));
    lines.on('line', (line) => line === 'serving remote/cost' && resolve());
  });
}

describe('the judge in Python', { timeout: 600_000 }, () => {
  test('scores a training, and comes back to a server that was killed', async ({ skip }) => {
    const found = await pythonOfJudge();
    if ('why' in found) return skip(found.why);
    await using folder = await temporaryFolder();
    await prepareFolder(folder.path);
    let server = await startServerProcess(folder.path);
    await using zeroth = connect(server.address);
    const judge = spawn(found.python, ['examples/judge/judge.py', server.address], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const ended = once(judge, 'exit');
    try {
      await serving(judge);
      const dataset = await begin(zeroth, { name: 'remote/cost' }, 40n);
      await server.kill();
      server = await startServerProcess(folder.path, ['--port', server.address.split(':')[1]]);
      const { state, step, lastEvaluation } = await outcome(zeroth);
      expect({ state, step }).toEqual({ state: TrainingState.TRAINING_STATE_COMPLETED, step: 40n });

      // What it says is what its outputs cost.
      const ask = { run: RUN, points: [near()], batch: everyRow(dataset) };
      const judged = (await zeroth.oracle.evaluate({ ...ask, perExampleLosses: true })).results[0];
      const { results } = await zeroth.oracle.evaluate({
        ...ask,
        objective: { name: 'accuracy' },
        outputs: ['logits'],
      });
      const logits = toFloat32(results[0].outputs.logits.data);
      const costs = toIntegers(tinyData().labels).map((label, row) => {
        const scores = logits.subarray(row * CLASSES, (row + 1) * CLASSES);
        const decision = scores.indexOf(Math.max(...scores));
        return decision === label ? 0 : label === 0 ? 5 : 1;
      });
      expect(judged.perExampleLosses).toEqual(costs);
      expect(lastEvaluation?.loss).toBe(judged.loss);
    } finally {
      judge.kill();
      await ended;
    }
    expect(await server.stop()).toBe(0);
  });
});
