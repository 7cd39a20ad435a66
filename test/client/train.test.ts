import { describe, expect, it } from 'vitest';
import { type Position, type TrainOptions, train } from '../../client/train.ts';
import { mezo } from '../../server/strategy/mezo.ts';
import { mezoSvrg } from '../../server/strategy/mezo-svrg.ts';
import type { Strategy } from '../../server/strategy/strategy.ts';
import { zoSgdConservative } from '../../server/strategy/zo-sgd-conservative.ts';
import { collect, StandIn } from './stand-in.ts';

const svrg = () => mezoSvrg({ q: 3, eta1: 1e-2, eta2: 1e-3, anchorDirections: 2, seed: 1n });
const twoRounds = () => zoSgdConservative({ learningRate: 1e-3, seed: 1n });
const plain = () => mezo({ learningRate: 1e-3, seed: 1n });

function options<State>(
  strategy: Strategy<State>,
  budget: TrainOptions<State>['budget'],
): TrainOptions<State> {
  const dataset = { name: 'datasets/1', rows: 100 };
  return { run: 'runs/a', dataset, strategy, batchSize: 8, batchSeed: 2n, trainingId: 't', budget };
}

async function trained<State>(server: StandIn, each: TrainOptions<State>) {
  await using zeroth = server.connect();
  return await collect(train(zeroth, each));
}

describe('train', () => {
  it('a step is one round trip, and the last update follows the last step', async () => {
    await using server = await StandIn.start();
    const reports = await trained(server, options(plain(), { steps: 4 }));
    expect(server.calls).toEqual(['step', 'step', 'step', 'step', 'update']);
    expect(server.entries.map((entry) => entry.requestId)).toEqual(['t/1', 't/2', 't/3', 't/4']);
    expect(
      reports.map(({ step, revision, examplesForwarded, totalExamplesForwarded }) => [
        step,
        revision,
        examplesForwarded,
        totalExamplesForwarded,
      ]),
    ).toEqual([
      [1, 0n, 16, 16],
      [2, 1n, 16, 32],
      [3, 2n, 16, 48],
      [4, 3n, 16, 64],
    ]);
  });

  it('a snapshot names the revision before the update of the same step', async () => {
    await using server = await StandIn.start();
    await trained(server, options(svrg(), { steps: 5 }));
    expect(server.calls).toEqual(['step', 'snapshot', 'step', 'step', 'step', 'snapshot', 'step', 'update']);
    expect(server.snapshots).toEqual([
      { id: 'mezo-svrg', revision: 0n },
      { id: 'mezo-svrg', revision: 3n },
    ]);
    expect(server.entries.map((entry) => entry.requestId)).toEqual(['t/1', 't/2', 't/3', 't/4', 't/5']);
  });

  it('a step of two rounds is two round trips on one batch, and its update goes out with the next step', async () => {
    await using server = await StandIn.start();
    const reports = await trained(server, options(twoRounds(), { steps: 3 }));
    const made = reports.filter(({ stepNorm }) => stepNorm > 0).map(({ step }) => `t/${step}`);
    expect(made.length).toBeGreaterThan(0);
    expect(server.entries.map((entry) => entry.requestId)).toEqual(made);
    expect(server.calls.filter((call) => call === 'step')).toHaveLength(6);
    expect(
      reports.map(({ losses, totalExamplesForwarded }) => [losses.length, totalExamplesForwarded]),
    ).toEqual([
      [5, 40],
      [5, 80],
      [5, 120],
    ]);
  });

  it('a budget of examples counts the rounds to come', async () => {
    await using server = await StandIn.start();
    const reports = await trained(server, options(twoRounds(), { examples: 119 }));
    expect(reports.at(-1)).toMatchObject({ step: 2, totalExamplesForwarded: 80 });
  });

  it('an anchor batch has the rows that the strategy names', async () => {
    await using server = await StandIn.start();
    const strategy = mezoSvrg({ eta1: 1e-2, eta2: 1e-3, anchorRows: 50, seed: 1n });
    const reports = await trained(server, options(strategy, { examples: 200 }));
    expect(reports.map(({ batch, examplesForwarded }) => [batch, examplesForwarded])).toEqual([
      ['anchor', 100],
      ['mini-batch', 32],
    ]);
  });

  it('a budget of examples ends before the step that would exceed it', async () => {
    await using server = await StandIn.start();
    // A full-batch step costs 400, a mini-batch step 32: 400 + 2 * 32, and then 400 would be too much.
    const reports = await trained(server, options(svrg(), { examples: 863 }));
    expect(reports.at(-1)).toMatchObject({ step: 3, totalExamplesForwarded: 464 });
  });

  it.each([
    ['lost request', svrg],
    ['lost answer', svrg],
    ['lost request', twoRounds],
    ['lost answer', twoRounds],
  ] as const)('a %s at any call changes nothing (%o)', async (fault, create: () => Strategy<unknown>) => {
    await using undisturbed = await StandIn.start();
    const expected = await trained(undisturbed, options(create(), { steps: 5 }));
    for (let lost = 1; lost <= undisturbed.calls.length; lost++) {
      await using server = await StandIn.start();
      server.fault = (call) => (call === lost ? fault : undefined);
      const reports = await trained(server, options(create(), { steps: 5 }));
      expect(server.entries).toEqual(undisturbed.entries);
      expect(server.snapshots.at(-1)).toEqual(undisturbed.snapshots.at(-1));
      expect(reports.map(({ loss }) => loss)).toEqual(expected.map(({ loss }) => loss));
    }
  });

  it('it goes on from a stored position as if it had never been away', async () => {
    await using undisturbed = await StandIn.start();
    await trained(undisturbed, options(svrg(), { steps: 8 }));
    for (let left = 1; left < 8; left++) {
      await using server = await StandIn.start();
      await using zeroth = server.connect();
      let position: Position<ReturnType<ReturnType<typeof svrg>['start']>> | undefined;
      for await (const report of train(zeroth, options(svrg(), { steps: 8 }))) {
        position = structuredClone(report.position);
        if (report.step === left) break;
      }
      // Leaving the loop has sent the update already; the position says it once more, to no effect.
      expect(server.entries).toHaveLength(left);
      await trained(server, { ...options(svrg(), { steps: 8 }), from: position! });
      expect(server.entries).toEqual(undisturbed.entries);
      expect(server.snapshots.at(-1)).toEqual(undisturbed.snapshots.at(-1));
    }
  });

  it('an aborted training sends nothing more and says why', async () => {
    await using server = await StandIn.start();
    await using zeroth = server.connect();
    const controller = new AbortController();
    const reports = train(zeroth, { ...options(plain(), { steps: 9 }), signal: controller.signal });
    await reports.next();
    controller.abort(new Error('enough'));
    await expect(reports.next()).rejects.toThrow('enough');
    expect(server.calls).toEqual(['step']);
  });
});
