// Studies of the seed form: clients keep the vector, and what crosses the wire is shifts. The reference of noise/1 says what they mean.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ZerothCallError } from '../../client/errors.ts';
import { Infeasible } from '../../client/optimize.ts';
import { SeedVector } from '../../client/seed-vector.ts';
import type { StudyOptions } from '../../client/study-plan.ts';
import { StudyState } from '../../proto/gen/zeroth/v1/study_service.ts';
import { gridFor, snap } from '../../server/noise/grid.ts';
import { moveBy } from '../../server/noise/shift.ts';
import { noiseTable } from '../../server/noise/table.ts';
import { HEAD, type Shift } from '../../server/shift.ts';
import { mezo } from '../../server/strategy/mezo.ts';
import { doors, type Fixture } from '../support/fixture-server.ts';

const DIMENSIONS = 10_000;

type SeedStrategy = Extract<StudyOptions, { seed: unknown }>['seed']['strategy'];

const strategies: Record<string, { readonly strategy: SeedStrategy; readonly points: number }> = {
  mezo: {
    strategy: { kind: { $case: 'mezo', value: { seed: 5n, learningRate: 1e-3, directions: 2 } } },
    points: 4,
  },
  es: {
    strategy: { kind: { $case: 'es', value: { seed: 5n, learningRate: 1e-3, population: 6 } } },
    points: 6,
  },
  // Two rounds a step.
  spsa: {
    strategy: { kind: { $case: 'spsa', value: { seed: 5n, a: 1e-3, c: 1e-3, blockingTolerance: 0 } } },
    points: 4,
  },
  fzoo: {
    strategy: { kind: { $case: 'fzoo', value: { seed: 5n, learningRate: 1e-3, directions: 3 } } },
    points: 4,
  },
  'zo-sgd-sign': {
    strategy: { kind: { $case: 'zoSgdSign', value: { seed: 5n, learningRate: 1e-4 } } },
    points: 2,
  },
  'zo-sgd-conservative': {
    strategy: { kind: { $case: 'zoSgdConservative', value: { seed: 5n, learningRate: 1e-4 } } },
    points: 5,
  },
  'zo-sgd-momentum': {
    strategy: { kind: { $case: 'zoSgdMomentum', value: { seed: 5n, learningRate: 1e-4 } } },
    points: 2,
  },
  meazo: { strategy: { kind: { $case: 'meazo', value: { seed: 5n, learningRate: 1e-3 } } }, points: 2 },
  bszo: {
    strategy: { kind: { $case: 'bszo', value: { seed: 5n, learningRate: 1e-3, directions: 2 } } },
    points: 3,
  },
  'mezo-gv': {
    strategy: { kind: { $case: 'mezoGv', value: { seed: 5n, learningRate: 1e-3, candidates: 4 } } },
    points: 6,
  },
};

const start = () => Float32Array.from({ length: DIMENSIONS }, (_, i) => Math.sin(i));
const bits = (values: Float32Array | Float64Array) =>
  Buffer.from(Float32Array.from(values).buffer).toString('hex');

/** A bowl that is not round, summed in a fixed order. */
function bowl(values: Float32Array | Float64Array): number {
  let sum = 0;
  for (let i = 0; i < values.length; i++) sum += (1 + (i % 7)) * (values[i] - 0.1) ** 2;
  return sum / values.length;
}

describe.each(doors)('a study of the seed form %s', (_, startFixture) => {
  let fixture: Fixture;
  beforeAll(async () => {
    fixture = await startFixture(['--trials-open-max', '64', '--shifts-per-request-max', '64']);
  });
  afterAll(() => fixture[Symbol.asyncDispose]());

  test.each(Object.entries(strategies))(
    'by %s is followed bit for bit',
    async (name, { strategy, points }) => {
      const { studies } = fixture.zeroth;
      const plan = { dimensions: DIMENSIONS, strategy };
      const { name: study } = await studies.create({ studyId: `by-${name}`, seed: plan, trials: 5 * points });
      const vector = new SeedVector(start());
      await studies.optimizeVector(study, vector, bowl);
      const over = await studies.get(study);
      expect(over).toMatchObject({ state: StudyState.STUDY_STATE_COMPLETED, told: BigInt(5 * points) });
      expect(over.revision).toBe(vector.revision);

      // The reference by hand: the start on its grid, and every shift of the log.
      const reference = start();
      const grid = gridFor(reference.reduce((largest, each) => Math.max(largest, Math.abs(each)), 0));
      snap(reference, grid);
      const updates = await Array.fromAsync(studies.updates(study));
      expect(updates.map(({ revision }) => revision)).toEqual(updates.map((_each, i) => BigInt(i + 1)));
      for (const { shifts } of updates)
        for (const shift of shifts)
          moveBy(reference, noiseTable('gaussian'), { ...shift, times: 1 }, 0, grid);
      expect(bits(vector.values)).toBe(bits(reference));

      // One that lags, in float64, from the middle on.
      const late = new SeedVector(Float64Array.from(start()));
      late.apply(updates.slice(0, 2));
      for await (const update of studies.updates(study, late.revision)) late.apply([update]);
      expect(bits(late.values)).toBe(bits(reference));
    },
  );

  test('asks and moves as the strategy itself does', async () => {
    const { studies } = fixture.zeroth;
    const own = mezo({ seed: 5n, learningRate: 1e-3, directions: 2 });
    const { strategy } = strategies.mezo;
    const { name } = await studies.create({ studyId: 'itself', seed: { dimensions: 5, strategy } });
    let state = own.start();
    for (let step = 0; step < 4; step++) {
      const { points } = own.ask(state);
      expect(points.every(({ anchor }) => anchor === HEAD)).toBe(true);
      const { trials } = await studies.ask(name, { clientId: 'a', count: 64 });
      expect(trials.map(({ point }) => point)).toEqual(
        points.map(({ shifts }) => ({ revision: BigInt(step), shifts: [...shifts] })),
      );
      const losses = points.map((_each, i) => Math.cos(3 * step + i));
      const told = own.tell(state, { losses, examples: 1 });
      state = told.state;
      // The last first, and one by one.
      for (const i of [3, 0, 2, 1]) await studies.tell(name, [{ trial: trials[i].number, value: losses[i] }]);
      const [update] = await Array.fromAsync(studies.updates(name, BigInt(step)));
      const [action] = told.actions as readonly { readonly shifts: readonly Shift[] }[];
      expect(update.shifts).toEqual(action.shifts);
    }
  });

  test('has a step evaluated by several clients, who end at the same vector', async () => {
    const { studies } = fixture.zeroth;
    const strategy = {
      kind: { $case: 'es', value: { seed: 1n, population: 12, learningRate: 2e-3 } },
    } as const;
    const { name } = await studies.create({
      studyId: 'together',
      seed: { dimensions: DIMENSIONS, strategy },
      trials: 120,
    });
    const vectors = [1, 2, 3].map(() => new SeedVector(start()));
    const told = await Promise.all(
      vectors.map((each) => studies.optimizeVector(name, each, bowl, { count: 2 })),
    );
    expect(told.reduce((a, b) => a + b)).toBe(120);
    for (const vector of vectors) expect(vector.revision).toBe(10n);
    expect(new Set(vectors.map(({ values }) => bits(values))).size).toBe(1);
  });

  test('brings a lagging client all updates, where one answer does not hold them', async () => {
    const { studies } = fixture.zeroth;
    const strategy = { kind: { $case: 'es', value: { seed: 1n, population: 30 } } } as const;
    const { name } = await studies.create({
      studyId: 'lagging',
      seed: { dimensions: 100, strategy },
      trials: 240,
    });
    const vector = new SeedVector(new Float32Array(100).fill(0.5));
    await studies.optimizeVector(name, vector, bowl, { count: 30 });
    const asked = await studies.ask(name, { clientId: 'late', revision: 0n });
    expect(asked.updates.map(({ revision }) => revision)).toEqual([1n, 2n]);
    const late = new SeedVector(new Float32Array(100).fill(0.5));
    await studies.optimizeVector(name, late, bowl);
    expect(late.revision).toBe(8n);
    expect(bits(late.values)).toBe(bits(vector.values));
  });

  test('makes nothing of a step with an infeasible point, and goes on', async () => {
    const { studies } = fixture.zeroth;
    const { strategy } = strategies.mezo;
    const { name } = await studies.create({
      studyId: 'infeasible',
      seed: { dimensions: 50, strategy },
      trials: 8,
    });
    const vector = new SeedVector(new Float32Array(50).fill(1));
    let calls = 0;
    await studies.optimizeVector(name, vector, (values) => {
      if (++calls === 2) throw new Infeasible('this one fails');
      return bowl(values);
    });
    expect(await studies.get(name)).toMatchObject({ told: 8n, infeasible: 1n, revision: 1n });
    expect(vector.revision).toBe(1n);
  });

  const refused: readonly (readonly [string, SeedStrategy | undefined, string | RegExp])[] = [
    ['no strategy', undefined, /^plan\.seed\.strategy: expected a strategy among .*, got none$/],
    [
      'full batches',
      { kind: { $case: 'mezoSvrg', value: { eta1: 1e-3, eta2: 1e-3 } } },
      'plan.seed.strategy.mezo_svrg: expected a strategy without full batches and snapshots: a study has no dataset, got mezo-svrg',
    ],
    [
      'weight decay',
      { kind: { $case: 'mezo', value: { learningRate: 1e-3, weightDecay: 0.1 } } },
      'plan.seed.strategy.mezo.weight_decay: expected 0: a vector has no biases and norms to spare, got 0.1',
    ],
    [
      'more points than may be open',
      { kind: { $case: 'es', value: { population: 65 } } },
      'plan.seed.strategy.es: expected at most 64 points a step (trialsOpenMax), got 65',
    ],
    [
      'updates that no message holds',
      { kind: { $case: 'zoSgdMomentum', value: { learningRate: 1e-3, window: 40 } } },
      'plan.seed.strategy.zo_sgd_momentum: expected at most 64 shifts an update (shiftsPerRequestMax), got 80',
    ],
  ];

  test.each(refused)('is refused with %s', async (_what, strategy, message) => {
    const seed = { dimensions: 5, strategy: strategy ?? {} };
    const error = await fixture.zeroth.studies.create({ seed }).catch((each: unknown) => each);
    expect(error).toBeInstanceOf(ZerothCallError);
    expect((error as ZerothCallError).code).toBe('INVALID_ARGUMENT');
    expect((error as ZerothCallError).message).toMatch(message);
  });
});
