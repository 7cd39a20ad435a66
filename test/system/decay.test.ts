// Weight decay with every update, and kill -9 in the middle of it, over the wire, with a real process and a real disk.
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { connect, type Zeroth } from '../../client/client.ts';
import { atRevision, atSnapshot, near, prepareFolder, rowsOf, shift } from '../rpc/wire.ts';
import { OBJECTIVE, tinyData } from '../support/fixture-server.ts';
import { type ServerProcess, startServerProcess, temporaryFolder } from '../support/server-process.ts';

const RUN = 'runs/decayed';
const STEPS = 60;
const SNAPSHOT_EVERY = 7;
const EPSILON = 1e-3;

async function createRun(zeroth: Zeroth): Promise<string> {
  const { name: model } = await zeroth.models.load('mlp.onnx');
  const { dataset } = await zeroth.datasets.create(tinyData());
  await zeroth.runs.create({ model, runId: 'decayed', objective: OBJECTIVE });
  return dataset.name;
}

/**
 * As MeZO-SVRG goes about it: losses on either side of the head and of a snapshot, and then an update along that direction, which
 * decays all but the biases. Yields the head after each, and the losses.
 */
async function* training(zeroth: Zeroth, dataset: string) {
  let revision = 0n;
  for (let step = 0; step < STEPS; step++) {
    if (step % SNAPSHOT_EVERY === 0) await zeroth.runs.snapshot(RUN, 'anchor', revision);
    const seed = BigInt(1 + step);
    const batch = rowsOf(dataset, ...[0, 1, 2, 3].map((i) => (4 * step + i) % 40));
    const sides = [shift(seed, EPSILON), shift(seed, -EPSILON)];
    const points = [
      ...sides.map((side) => near(side)),
      ...sides.map((side) => atSnapshot(`${RUN}/snapshots/anchor`, side)),
    ];
    const { results } = await zeroth.oracle.evaluate({ run: RUN, points, batch, revision });
    const losses = results.map(({ loss }) => loss);
    const difference = losses[0] - losses[1] - (losses[2] - losses[3]);
    const update = {
      run: RUN,
      decay: { factor: 0.999, seed: 2n ** 40n + seed, exclude: ['*bias'] },
      shifts: [shift(seed, (-1e-2 * difference) / (2 * EPSILON)), shift(seed, 1e-4)],
      requestId: `step-${step}`,
    };
    ({ revision } = await zeroth.oracle.update(update));
    yield { revision, losses };
  }
}

type End = { readonly losses: number[][]; readonly revision: bigint; readonly weightsSha256: string };

async function end(zeroth: Zeroth, losses: number[][]): Promise<End> {
  const { revision, weightsSha256 } = await zeroth.journal.verify(RUN);
  return { losses, revision, weightsSha256 };
}

async function neverKilled(): Promise<End> {
  await using folder = await temporaryFolder();
  await prepareFolder(folder.path);
  const server = await startServerProcess(folder.path);
  await using zeroth = connect(server.address);
  const losses: number[][] = [];
  for await (const step of training(zeroth, await createRun(zeroth))) losses.push(step.losses);
  const found = await end(zeroth, losses);
  expect(await server.stop()).toBe(0);
  return found;
}

describe('kill -9 in the middle of a training with decay', () => {
  test.each([
    ['from the base', []],
    ['from checkpoints', ['--checkpoint-shifts', '10', '--checkpoint-work', '1']],
  ])(
    'loses no acknowledged update, and all losses and weights are as if nothing had been, %s',
    async (_, flags) => {
      await using folder = await temporaryFolder();
      await prepareFolder(folder.path);
      let server: ServerProcess = await startServerProcess(folder.path, flags);
      const port = server.address.split(':')[1];
      await using zeroth = connect(server.address);
      const dataset = await createRun(zeroth);

      let acknowledged = 0n;
      const losses: number[][] = [];
      const killings: Promise<void>[] = [];
      const killAndRestart = async () => {
        await sleep(3 * killings.length);
        await server.kill();
        server = await startServerProcess(folder.path, ['--port', port, ...flags]);
        const { revision } = await zeroth.runs.get(RUN);
        expect(revision).toBeGreaterThanOrEqual(acknowledged);
      };
      for await (const step of training(zeroth, dataset)) {
        acknowledged = step.revision;
        // Not awaited: the next steps run into the dying server.
        if (losses.push(step.losses) % 15 === 10) killings.push(killAndRestart());
      }
      await Promise.all(killings);

      expect(killings).toHaveLength(4);
      const found = await end(zeroth, losses);
      expect(found).toEqual(await neverKilled());
      expect(found.revision).toBe(BigInt(STEPS));
      const restored = server.log.some(({ msg }) => msg === 'checkpoint restored');
      expect(restored).toBe(flags.length > 0);
      expect(await server.stop()).toBe(0);
    },
  );

  test('a rollback over decays, and what a revision was, are the same after it', async () => {
    await using folder = await temporaryFolder();
    await prepareFolder(folder.path);
    const first = await startServerProcess(folder.path);
    await using zeroth = connect(first.address);
    for await (const _ of training(zeroth, await createRun(zeroth)));
    const revisions = [0n, 20n, 42n, 61n];
    const digests = (of: Zeroth) =>
      Promise.all(
        revisions.map(
          async (revision) => (await of.runs.export({ name: RUN, revision })).header.weightsSha256,
        ),
      );
    await zeroth.runs.rollback({ name: RUN, revision: 20n, requestId: 'back' });
    const before = await digests(zeroth);
    expect(before[3]).toBe(before[1]);
    expect(new Set(before).size).toBe(3);
    await first.kill();

    const second = await startServerProcess(folder.path);
    await using again = connect(second.address);
    expect(await digests(again)).toEqual(before);
    const { weights } = await again.runs.readWeights({ run: RUN, point: atRevision(20n) });
    expect((await again.runs.readWeights({ run: RUN })).weights).toEqual(weights);
    await second.stop();
  });
});
