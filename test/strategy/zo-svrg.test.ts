import { describe, expect, it } from 'vitest';
import { HEAD, type Point } from '../../server/shift.ts';
import { seedFor } from '../../server/strategy/seeds.ts';
import { zoSvrg } from '../../server/strategy/zo-svrg.ts';

const options = { m: 2, learningRate: 0.5, epsilon: 0.25, directions: 1, seed: 9n };
const AT_SNAPSHOT = { kind: 'snapshot', name: 'zo-svrg' } as const;
const a = seedFor(9n, 0, 0);
const [b, other] = [seedFor(9n, 1, 0), seedFor(9n, 1, 1)];

function forward(anchor: Point['anchor'], seed: bigint): Point[] {
  return [
    { anchor, shifts: [] },
    { anchor, shifts: [{ seed, scale: 0.25 }] },
  ];
}

describe('zo-svrg, step by step', () => {
  const strategy = zoSvrg(options);
  const full = strategy.tell(strategy.start(), { losses: [2, 3], examples: 100 });

  it('the full batch becomes the anchor and moves nothing', () => {
    expect(strategy.ask(strategy.start())).toEqual({
      points: forward(HEAD, a),
      batch: { kind: 'full-batch' },
    });
    expect(full).toMatchObject({
      state: { anchorGradient: [{ seed: a, scale: 4 }] },
      actions: [{ kind: 'snapshot', name: 'zo-svrg' }],
      report: { loss: 2, projectedGradients: [4], stepNorm: 0, examplesForwarded: 200 },
    });
  });

  it('an inner step: theta -= eta (ghat_B(theta) - ghat_B(snapshot) + g), independent directions', () => {
    expect(strategy.ask(full.state)).toEqual({
      points: [...forward(HEAD, b), ...forward(AT_SNAPSHOT, other)],
      batch: { kind: 'mini-batch', index: 0 },
    });
    // (2 - 1) / 0.25 = 4 at theta, (2 - 1.5) / 0.25 = 2 at the snapshot.
    const { actions, report } = strategy.tell(full.state, { losses: [1, 2, 1.5, 2], examples: 10 });
    const shifts = [
      { seed: b, scale: -2 },
      { seed: other, scale: 1 },
      { seed: a, scale: -2 },
    ];
    expect(actions).toEqual([{ kind: 'update', shifts }]);
    expect(report).toMatchObject({ loss: 1, projectedGradients: [4], examplesForwarded: 40 });
  });

  it('with shared directions the two estimates are one shift', () => {
    const shared = zoSvrg({ ...options, sharedDirections: true });
    const { state } = shared.tell(shared.start(), { losses: [2, 3], examples: 100 });
    expect(shared.tell(state, { losses: [1, 2, 1.5, 2], examples: 10 }).actions).toEqual([
      {
        kind: 'update',
        shifts: [
          { seed: b, scale: -1 },
          { seed: a, scale: -2 },
        ],
      },
    ]);
  });

  it('after m inner steps comes the next full batch, again and again until it succeeds', () => {
    let { state } = full;
    const batches: string[] = [];
    for (const losses of [
      [1, 2, 1, 2],
      [1, 2, 1, 2],
      [Number.NaN, 2],
      [1, 2],
      [1, 2, 1, 2],
    ]) {
      batches.push(strategy.ask(state).batch.kind);
      ({ state } = strategy.tell(state, { losses, examples: 10 }));
    }
    expect(batches).toEqual(['mini-batch', 'mini-batch', 'full-batch', 'full-batch', 'mini-batch']);
    expect(state).toMatchObject({ step: 6, miniBatches: 3, inner: 1, anchorGradient: [{ scale: 4 }] });
  });
});
