// What every client keeps, whatever its language: the problem of docs/clients.md, over a connection that loses answers, ends at the journal and
// the weights of the training that a server does by itself.
import { execFile } from 'node:child_process';
import { cp } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Zeroth } from '../../client/client.ts';
import { connect } from '../../client/client.ts';
import { openLocal } from '../../client/local.ts';
import { data, MODEL, type Outcome, outcomeOf, STEPS, SVRG } from '../../examples/typescript/mezo-svrg.ts';
import { type Losses, openLossyProxy } from '../support/lossy-proxy.ts';
import { type ServerProcess, startServerProcess, temporaryFolder } from '../support/server-process.ts';
import type { Prepared } from './toolchain.ts';

const MODELS = 'test/fixtures/models';
const UPDATE = '/zeroth.v1.OracleService/Update';
const DRIVE = '/zeroth.v1.OracleService/Drive';

/** By way of calls, or of a stream: of either some answers never arrive. */
const LOSSES: Losses = {
  [UPDATE]: [1, 6, 97],
  '/zeroth.v1.OracleService/Evaluate': [3, 50],
  '/zeroth.v1.OracleService/Step': [2, 60],
  '/zeroth.v1.RunService/CreateSnapshot': [2],
  // The first is the window, the second that of a step.
  [DRIVE]: [2, 40, 150],
};

export type Program = {
  readonly name: string;
  /** What runs it, without the address and the id of the run. */
  readonly command: (folder: string) => readonly [string, ...string[]];
  readonly prepare: () => Promise<Prepared>;
};

/** Journals without the time at which entries were written. */
async function journalOf(zeroth: Zeroth, run: string) {
  const entries = await Array.fromAsync(zeroth.journal.list(run));
  return entries.map(({ time: _, ...entry }) => entry);
}

/** By TrainingService, without a wire. */
async function reference() {
  await using zeroth = await openLocal({ modelDir: MODELS, dataDir: ':memory:', threads: 1 });
  const { name: model } = await zeroth.models.load(MODEL);
  const { dataset } = await zeroth.datasets.create(data());
  const { name: run } = await zeroth.runs.create({ model, objective: { name: 'cross_entropy' } });
  const plan = {
    dataset: dataset.name,
    batchSize: 16,
    batchSeed: 2n,
    strategy: { kind: { $case: 'mezoSvrg', value: SVRG } },
    budget: { $case: 'steps', value: BigInt(STEPS) },
  } as const;
  const { name } = await zeroth.trainings.start({ run, trainingId: 'mezo-svrg', plan });
  await zeroth.trainings.finished(name);
  return { outcome: await outcomeOf(zeroth, run, dataset.name), journal: await journalOf(zeroth, run) };
}

/** A server with the models that the problem takes. */
export async function startProblem(): Promise<ServerProcess & AsyncDisposable> {
  const folder = await temporaryFolder();
  await cp(MODELS, join(folder.path, 'models'), { recursive: true });
  const server = await startServerProcess(folder.path);
  return {
    ...server,
    async [Symbol.asyncDispose]() {
      await server.stop();
      await folder[Symbol.asyncDispose]();
    },
  };
}

export function keepsConformance({ name, command, prepare }: Program): void {
  describe(`the client in ${name}`, () => {
    let server: Awaited<ReturnType<typeof startProblem>>;
    let prepared: Prepared;

    beforeAll(async () => {
      prepared = await prepare();
      server = await startProblem();
    }, 1_200_000);
    afterAll(() => server?.[Symbol.asyncDispose]());

    const started = async (folder: string, ...args: string[]) => {
      const [program, ...first] = command(folder);
      return promisify(execFile)(program, [...first, ...args], { timeout: 300_000 });
    };

    const ending = (folder: string, ...args: string[]) =>
      started(folder, ...args).then(
        () => ({ code: 0, stderr: '' }),
        ({ code, stderr }: { code: number; stderr: string }) => ({ code, stderr }),
      );

    test('leaves the journal and the weights of a training by the server, though answers are lost', async ({
      skip,
    }) => {
      if ('why' in prepared) return skip(prepared.why);
      await using proxy = await openLossyProxy(server.address, LOSSES);
      const { stdout } = await started(prepared.folder, proxy.address, 'conforming');
      const outcome: Outcome = JSON.parse(stdout.trimEnd().split('\n').at(-1)!);
      const expected = await reference();
      expect(expected.journal).toHaveLength(STEPS);
      expect(outcome).toEqual({ ...expected.outcome, run: 'runs/conforming' });
      await using zeroth = connect(server.address);
      expect(await journalOf(zeroth, outcome.run)).toEqual(expected.journal);

      // It was not an easy way: what was lost had been done, and was asked for again.
      const changes = proxy.lost.filter((path) => path === UPDATE || path === DRIVE);
      expect(changes.length).toBeGreaterThanOrEqual(3);
      expect(proxy.calls.get(changes[0])).toBeGreaterThan(changes[0] === UPDATE ? STEPS : 3);
    }, 400_000);

    test('says what the server refused, and ends with another exit code', async ({ skip }) => {
      if ('why' in prepared) return skip(prepared.why);
      const ended = await ending(prepared.folder, server.address, 'Not An Id');
      expect(ended.code).toBe(1);
      expect(ended.stderr).toContain('Not An Id');
    }, 120_000);

    test('says on one line what is no address, and does not try it', async ({ skip }) => {
      if ('why' in prepared) return skip(prepared.why);
      for (const address of ['http://127.0.0.1:50051', '127.0.0.1', '127.0.0.1:port', '']) {
        const stderr = `address: expected "host:port", got "${address}"\n`;
        expect(await ending(prepared.folder, address)).toEqual({ code: 1, stderr });
      }
    }, 120_000);
  });
}
