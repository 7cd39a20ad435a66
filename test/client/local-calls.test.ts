// What is different where client and server are one process: messages in its memory, calls that are left.
import { Writable } from 'node:stream';
import { pino } from 'pino';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Zeroth } from '../../client/client.ts';
import { toTensor } from '../../client/tensor.ts';
import { INPUTS, OBJECTIVE, tinyData } from '../support/fixture-server.ts';
import { outcomeOf } from '../support/training.ts';
import {
  type Folder,
  longEvaluation,
  near,
  newFolder,
  newRun,
  open,
  SLOW,
  tinyLabels,
} from './local-cases.ts';

describe('a message', () => {
  let folder: Folder;
  let zeroth: Zeroth;
  beforeAll(async () => {
    folder = await newFolder();
    zeroth = await open(folder, { dataDir: ':memory:' });
  });
  afterAll(async () => {
    await zeroth.close();
    await folder[Symbol.asyncDispose]();
  });

  test('is what it was when it was sent, whatever the sender does with its memory afterwards', async () => {
    const run = await newRun(zeroth, 'sent');
    const values = new Float32Array(INPUTS).fill(0.5);
    const evaluate = () => {
      const tensors = { x: toTensor(values, [1, INPUTS]), labels: tinyLabels(1) };
      const batch = { source: { $case: 'inline', value: { tensors } } } as const;
      return zeroth.oracle.evaluate({ run, points: [{}], batch });
    };
    const undisturbed = await evaluate();
    const disturbed = evaluate();
    values.fill(100);
    expect(await disturbed).toEqual(undisturbed);
    expect(await evaluate()).not.toEqual(undisturbed);
  });

  test('with a seed that the wire could not carry is refused by name', async () => {
    const run = await newRun(zeroth, 'seeds');
    for (const seed of [-1n, 2n ** 64n]) {
      const message = `expected a uint64, got ${seed}`;
      const point = zeroth.oracle.perturb({ run, point: near(seed, 1) });
      await expect(point).rejects.toThrow(`point.shifts[0].seed: ${message}`);
      const adapted = { model: 'models/mlp', objective: OBJECTIVE, lora: { rank: 1, targets: ['*'], seed } };
      await expect(zeroth.runs.create(adapted)).rejects.toThrow(`lora.seed: ${message}`);
    }
  });

  test('that came back is the receiver’s own', async () => {
    const run = await newRun(zeroth, 'received');
    await zeroth.oracle.update({ run, shifts: near(1n, 0.1).shifts, requestId: 'one' });
    const before = await outcomeOf(zeroth, run);
    const [entry] = await Array.fromAsync(zeroth.journal.list(run));
    entry.digest.fill(0);
    if (entry.change?.$case === 'shifts') entry.change.value.shifts[0].scale = 7;
    const { weights } = await zeroth.runs.readWeights({ run });
    for (const tensor of weights.values()) tensor.fill(7);
    expect(await outcomeOf(zeroth, run)).toEqual(before);
  });
});

describe('a call', () => {
  let folder: Folder;
  let zeroth: Zeroth;
  beforeAll(async () => {
    folder = await newFolder();
    zeroth = await open(folder, { ...SLOW, dataDir: ':memory:' });
  });
  afterAll(async () => {
    await zeroth.close();
    await folder[Symbol.asyncDispose]();
  });

  test('ends when its signal aborts, before it begins or under way, and the run is as it was', async () => {
    const run = await newRun(zeroth, 'aborted');
    const before = await outcomeOf(zeroth, run);
    await expect(zeroth.runs.get(run, { signal: AbortSignal.abort('gone') })).rejects.toBe('gone');
    const leaving = new AbortController();
    const { answer } = await longEvaluation(zeroth, run, { signal: leaving.signal });
    leaving.abort('gone');
    await expect(answer).rejects.toBe('gone');
    expect(await outcomeOf(zeroth, run)).toEqual(before);
  });

  test('ends at its deadline', async () => {
    const run = await newRun(zeroth, 'late');
    const { answer } = await longEvaluation(zeroth, run, { timeoutMs: 1 });
    await expect(answer).rejects.toMatchObject({ code: 'DEADLINE_EXCEEDED' });
  });

  test('that uploads and is left stores nothing, and gives its place back', async () => {
    await using own = await open(folder, { dataDir: ':memory:', uploadsMax: 1 });
    const leaving = new AbortController();
    const options = { chunkBytes: 16, onProgress: () => leaving.abort('enough'), signal: leaving.signal };
    await expect(own.datasets.create(tinyData(), options)).rejects.toBe('enough');
    expect(await Array.fromAsync(own.datasets.list())).toEqual([]);
    await expect.poll(() => own.datasets.create(tinyData()).catch(() => undefined)).toBeDefined();
  });

  test('of a watcher ends when its loop is left, and makes room for another', async () => {
    await using own = await open(folder, { dataDir: ':memory:', watchersMax: 1 });
    const run = await newRun(own, 'watched');
    for (const requestId of ['a', 'b', 'c'])
      await own.oracle.update({ run, shifts: near(1n, 0.1).shifts, requestId });
    for (let i = 0; i < 3; i++) {
      for await (const { requestId } of own.journal.watch(run, { afterRevision: BigInt(i) })) {
        expect(requestId).toBe('abc'[i]);
        break;
      }
    }
  });

  test('leaves a line in the log that it is given', async () => {
    const lines: Record<string, unknown>[] = [];
    const write = (line: Buffer, _: unknown, done: () => void) => {
      lines.push(JSON.parse(String(line)));
      done();
    };
    await using own = await open(folder, { dataDir: ':memory:', log: pino(new Writable({ write })) });
    await own.info();
    await expect(own.runs.get('runs/none')).rejects.toMatchObject({ code: 'NOT_FOUND' });
    await expect.poll(() => lines.map(({ msg }) => msg)).toContain('call');
    expect(lines.find(({ msg }) => msg === 'call')).toMatchObject({
      method: '/zeroth.v1.ServerService/GetServerInfo',
    });
    expect(lines.find(({ msg }) => msg === 'call refused')).toMatchObject({
      run: 'runs/none',
      reason: 'NOT_FOUND',
    });
  });
});
