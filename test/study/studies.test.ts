import { createHash } from 'node:crypto';
import { setTimeout as sleep, setImmediate as turn } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ZerothError } from '../../server/errors.ts';
import type { GenerationsState } from '../../server/study/optimizers/cma-es/course/generations.ts';
import type { NoisyState } from '../../server/study/optimizers/cma-es/uncertainty/noisy.ts';
import { whole } from '../../server/study/optimizers/common/pieces.ts';
import { methodOf } from '../../server/study/plan/method.ts';
import type { StudyPlan, TrialPoint } from '../../server/study/plan/plan.ts';
import { exportStudy } from '../../server/study/portable/portable.ts';
import { openLedger } from '../../server/study/trials/ledger.ts';
import type { Study } from '../../server/study/trials/study.ts';
import { decode, encode } from '../../server/text.ts';
import { noiseOf, sphere } from './optimizers/cma-es/noise.ts';
import { forEver, inPieces, openRegistry, planOf, type Registry, request, told } from './registry.ts';

let registry: Registry;
beforeEach(() => {
  registry = openRegistry();
});
afterEach(() => registry[Symbol.dispose]());

async function errorOf(promise: Promise<unknown>): Promise<ZerothError> {
  const error = await promise.then(
    () => undefined,
    (each: unknown) => each,
  );
  expect(error).toBeInstanceOf(ZerothError);
  return error as ZerothError;
}

const ask = (study: Study, more = {}) => registry.studies.ask(study, request(more), forEver);
const tell = (study: Study, values: Parameters<typeof told>[]) =>
  registry.studies.tell(
    study,
    { values: values.map((each) => told(...each)), requestId: '', ask: undefined },
    forEver,
  );

describe('a lease', () => {
  it('is not given to a caller that has gone while it waited', async () => {
    const study = registry.studies.create('a', planOf({ trials: 1 }));
    await ask(study, { leaseMs: 30 });
    const caller = new AbortController();
    const waiting = registry.studies.ask(study, request({ client: 'gone', waitMs: 20_000 }), caller.signal);
    await turn();
    registry.clock.ms += 31;
    caller.abort();
    expect(await waiting).toEqual([]);
    expect(await ask(study, { client: 'b' })).toMatchObject([{ number: 1, client: 'b' }]);
  });

  it('that a clock set back has put beyond all bounds ends within the longest that there is', async () => {
    const study = registry.studies.create('a', planOf());
    await ask(study);
    registry.clock.ms -= 365 * 86_400_000;
    const again = registry.again();
    const of = again.get('studies/a');
    expect(await again.ask(of, request({ client: 'b' }), forEver)).toMatchObject([{ number: 2 }]);
    registry.clock.ms += 86_400_000;
    expect(await again.ask(of, request({ client: 'c' }), forEver)).toMatchObject([{ number: 1 }]);
  });
});

describe('the most trials that a study may have', () => {
  beforeEach(() => {
    registry[Symbol.dispose]();
    registry = openRegistry({ trialsPerStudyMax: 3 });
  });

  it('complete it, so that nobody waits for another one', async () => {
    const study = registry.studies.create('a', planOf());
    expect(await ask(study, { count: 8 })).toHaveLength(3);
    expect(study.isComplete).toBe(false);
    await tell(study, [
      [1, 1],
      [2, 1],
      [3, 1],
    ]);
    expect(study.isComplete).toBe(true);
  });

  it('are not exceeded by points that nobody asked for', async () => {
    const study = registry.studies.create('a', planOf());
    await ask(study, { count: 2 });
    const point = (x: number) => ({
      of: { point: { kind: 'vector', vector: [x, x] } as const },
      outcome: { kind: 'told', value: x } as const,
    });
    const values = [point(1), point(2)];
    const error = await errorOf(
      registry.studies.tell(study, { values, requestId: 'r', ask: undefined }, forEver),
    );
    expect([error.kind, error.message]).toEqual([
      'exhausted',
      'values[1].point: studies/a has 3 trials (trialsPerStudyMax)',
    ]);
    expect(study.ledger.trials).toBe(2);
  });
});

it('a request id stands for the points that came with it', async () => {
  const study = registry.studies.create('a', planOf());
  const tellPoint = (x: number, requestId: string) => {
    const point = { kind: 'vector', vector: [x, 0] } as const;
    const values = [{ of: { point }, outcome: { kind: 'told', value: 1 } as const }];
    return registry.studies.tell(study, { values, requestId, ask: undefined }, forEver);
  };
  expect((await tellPoint(1, 'r')).trials).toEqual([1]);
  expect((await tellPoint(1, 'r')).trials).toEqual([1]);
  const error = await errorOf(tellPoint(2, 'r'));
  expect([error.kind, error.message]).toEqual([
    'request-id-reused',
    'values[0].point: expected that of trial 1 of studies/a, told with this request_id, got another one',
  ]);
});

describe('an import', () => {
  const bytesOf = async (study: Study) => Buffer.concat(await Array.fromAsync(exportStudy(study)));

  const evaluated = async (plan: StudyPlan) => {
    const study = registry.studies.create('', plan);
    for (let round = 0; round < 3; round++) {
      const trials = await ask(study, { count: 5 });
      await tell(
        study,
        trials.slice(round % 2).map(({ number }) => [number, Math.cos(number)]),
      );
    }
    await registry.studies
      .tell(
        study,
        {
          values: [{ of: { trial: 1 }, outcome: { kind: 'infeasible', reason: 'number:NaN' } }],
          requestId: '',
          ask: undefined,
        },
        forEver,
      )
      .catch(() => undefined);
    return study;
  };

  /** Lines with their digest made anew. */
  const signed = (lines: readonly unknown[]) => {
    const text = lines.map((each) => `${encode(each)}\n`).join('');
    const sha256 = createHash('sha256').update(text).digest('hex');
    return Buffer.from(`${text}${JSON.stringify({ sha256 })}\n`);
  };

  it('that fails leaves the study of that name alone which somebody made meanwhile', async () => {
    async function* slow() {
      await sleep(5);
      yield Buffer.from('{"format":');
      await sleep(5);
      yield Buffer.from('nothing\n');
    }
    const importing = errorOf(registry.studies.import('a', slow()));
    const creating = () => registry.studies.create('a', planOf());
    expect(creating).toThrow('studies/a exists already');
    expect((await importing).kind).toBe('invalid-argument');
    const study = creating();
    await ask(study);
    expect((await errorOf(registry.studies.import('a', inPieces(Buffer.from('{}\n'))))).kind).toBe(
      'already-exists',
    );
    expect(registry.studies.get('studies/a').ledger.trials).toBe(1);
  });

  it('keeps words that look like numbers, and parameters of any name', async () => {
    const parameters = {
      seed: { kind: 'category', choices: ['1', '2', 'number:NaN', 'number:-0'], start: '2' },
      x: { kind: 'integer', min: 1, max: 4 },
    } as const;
    const optimizer = { name: 'random', options: { seed: 3n } } as const;
    const plan = planOf({ form: { kind: 'vector', space: { kind: 'box', parameters }, optimizer } });
    const study = registry.studies.create('words', plan);
    const [{ number }] = await ask(study, { client: 'number:Infinity' });
    const point = {
      kind: 'vector',
      vector: [0.1, 0.2, 0.9, 0.3, 0.5],
      given: { seed: 'number:NaN', x: 3 },
    } as const;
    const reason = 'number:-0';
    await registry.studies.tell(
      study,
      {
        values: [
          { of: { trial: number }, outcome: { kind: 'infeasible', reason } },
          { of: { point }, outcome: { kind: 'told', value: 1 } },
        ],
        requestId: 'r',
        ask: undefined,
      },
      forEver,
    );
    const copy = await registry.studies.import('copy', inPieces(await bytesOf(study), 10));
    expect(copy.plan).toEqual({ ...plan, rules: 3 });
    expect(copy.trials(0, 9)).toEqual(study.trials(0, 9));
    expect(registry.again().get('studies/words').plan).toEqual({ ...plan, rules: 3 });
  });

  const header = (change: (header: Record<string, never>) => object) => (lines: unknown[]) => [
    { ...(lines[0] as object), ...change(lines[0] as Record<string, never>) },
    ...lines.slice(1),
  ];
  const trial = (change: object) => (lines: unknown[]) => [
    lines[0],
    { trial: { ...(lines[1] as { trial: object }).trial, ...change } },
    ...lines.slice(2),
  ];
  const ledger = (change: object) =>
    header(({ ledger: before }) => ({ ledger: { ...(before as object), ...change } }));
  const plan = (change: object) =>
    header(({ plan: before }) => ({ plan: { ...(before as object), ...change } }));

  const hostile: readonly (readonly [string, (lines: unknown[]) => unknown[]])[] = [
    ['no plan', header(() => ({ plan: undefined }))],
    ['a plan that is none', header(() => ({ plan: { form: {} } }))],
    ['a direction that is none', plan({ direction: 'sideways' })],
    [
      'an optimizer that is none',
      header(() => ({
        plan: planOf({ form: { ...planOf().form, optimizer: { name: 'toString', options: {} } } as never }),
      })),
    ],
    [
      'a space whose bounds are the wrong way round',
      header(() => ({
        plan: planOf({
          form: {
            kind: 'vector',
            space: { kind: 'box', parameters: { x: { kind: 'float', min: 2, max: 1 } } },
            optimizer: { name: 'random', options: { seed: 1n } },
          },
        }),
      })),
    ],
    ['trials of its budget below 0', plan({ trials: -1 })],
    ['rules that are not there yet', plan({ rules: 4 })],
    ['a time that is none', header(() => ({ createTimeMs: 'yesterday' }))],
    ['a time that no calendar has', header(() => ({ createTimeMs: 1e300 }))],
    ['no ledger', header(() => ({ ledger: undefined }))],
    ['counts that are not those of its trials', ledger({ told: 1 })],
    ['counts left out', ledger({ told: undefined })],
    ['a best that is not among its trials', ledger({ best: { number: 99, value: 0 } })],
    ['a best value that its trial does not have', ledger({ best: { number: 2, value: -5 } })],
    ['a state that is none', ledger({ state: undefined })],
    ['noise that is no hint', plan({ noise: 'loud' })],
    ['noise whose deviation is none', plan({ noise: { deviation: 'high' } })],
    ['noise, and a state without', plan({ noise: {} })],
    ['a state of another kind', ledger({ state: { asked: 15, held: [], run: {} } })],
    ['a trial without a point', trial({ point: undefined })],
    ['a point of another length', trial({ point: { kind: 'vector', vector: [1] } })],
    ['a point that is not of numbers', trial({ point: { kind: 'vector', vector: [1, 'two'] } })],
    ['a point of the other form', trial({ point: { kind: 'seed', revision: 0, shifts: [] } })],
    ['a value that is none', trial({ outcome: { kind: 'told', value: 'high' } })],
    ['a value that is not finite', trial({ outcome: { kind: 'told', value: Infinity } })],
    ['an outcome that is none', trial({ outcome: { kind: 'lost' } })],
    ['a candidate out of order', trial({ candidate: 7 })],
    ['a client that is no text', trial({ client: 5 })],
    ['two headers', (lines) => [lines[0], ...lines]],
    ['an array', () => [[1]]],
    ['nothing but null', () => [null]],
  ];

  it.each(hostile)('is refused with %s', async (_, change) => {
    const lines = (await bytesOf(await evaluated(planOf())))
      .toString()
      .trimEnd()
      .split('\n')
      .map((line) => decode<unknown>(line));
    await registry.studies.import('whole', inPieces(signed(lines.slice(0, -1))));
    const error = await errorOf(registry.studies.import('bad', inPieces(signed(change(lines.slice(0, -1))))));
    expect([error.kind, error.details.field?.split('.')[0]]).toEqual([
      'invalid-argument',
      expect.stringMatching(/^(data|plan)$/),
    ]);
    expect(registry.again().list()).toHaveLength(2);
    expect(registry.journal.studies.has('studies/bad')).toBe(false);
  });

  const average = { vector: [1, 2], value: 1, variance: 1, generations: 1, points: 3, evaluations: 4 };
  const states: readonly (readonly [string, object])[] = [
    ['a mean of another length', { average: { ...average, vector: [1] } }],
    ['a mean that is none', { kept: { ...average, vector: 'here' } }],
    ['a value that is none', { average: { ...average, value: 'low' } }],
    ['a variance below 0', { average: { ...average, variance: -1 } }],
    ['no points', { kept: { ...average, points: 0 } }],
    ['an average that is a number', { average: 5 }],
    ['fewer than one evaluation', { effort: 0.5 }],
    ['evaluations without an end', { effort: 1e300 }],
    ['a value of an earlier generation', { held: [{ id: 0, vector: null, value: 1 }] }],
    ['a value that is no object', { held: [7] }],
  ];
  it.each(states)('of noisy values is refused with a state that has %s', async (_, change) => {
    const study = await evaluated(planOf({ noise: {} }));
    const lines = (await bytesOf(study)).toString().trimEnd().split('\n').slice(0, -1);
    const decoded = lines.map((line) => decode<unknown>(line));
    const { state } = study.ledger;
    const good = { average, kept: average, effort: 2 };
    await registry.studies.import(
      'good',
      inPieces(signed(ledger({ state: { ...(state as object), ...good } })(decoded))),
    );
    const bad = signed(ledger({ state: { ...(state as object), ...change } })(decoded));
    expect((await errorOf(registry.studies.import('bad', inPieces(bad)))).kind).toBe('invalid-argument');
  });

  it('lets others have a turn between its pieces, and takes lines that come byte by byte', async () => {
    const study = await evaluated(planOf());
    const bytes = await bytesOf(study);
    let turns = 0;
    let isOver = false;
    const counting = (async () => {
      for (; !isOver; turns++) await turn();
    })();
    const many = registry.studies.create('many', planOf());
    for (let i = 0; i < 5; i++) await ask(many, { count: 200 });
    const before = turns;
    await registry.studies.import('copy', inPieces(await bytesOf(many)));
    expect(turns - before).toBeGreaterThan(4);
    // Rows that are long come in smaller parts: here 33, of 8,000 bytes.
    const space = { kind: 'vector', start: new Array<number>(1000).fill(1 / 3), scale: 1 } as const;
    const optimizer = { name: 'random', options: { seed: 3n } } as const;
    const long = registry.studies.create('long', planOf({ form: { kind: 'vector', space, optimizer } }));
    for (let i = 0; i < 5; i++) await ask(long, { count: 40 });
    const middle = turns;
    await registry.studies.import('copy-of-long', inPieces(await bytesOf(long)));
    expect(turns - middle).toBeGreaterThanOrEqual(6);
    isOver = true;
    await counting;
    const copy = await registry.studies.import('bytes', inPieces(bytes, 1));
    expect(copy.ledger).toEqual(study.ledger);
  });
});

it('a study of an earlier version goes on by its own rules', async () => {
  const parameters = {
    k: { kind: 'integer', min: 0, max: 9 },
    x: { kind: 'float', min: 0, max: 1 },
  } as const;
  const optimizer = { name: 'cma-es', options: { seed: 3n, initialStep: 0.01 } } as const;
  const plan = planOf({ form: { kind: 'vector', space: { kind: 'box', parameters }, optimizer } });
  const ledger = encode(openLedger(methodOf(plan)));
  registry.journal.studies.create({
    name: 'studies/old',
    plan: encode(plan),
    ledger,
    changes: 0,
    createTimeMs: 1,
  });
  const [old, young] = [registry.again().get('studies/old'), registry.studies.create('young', plan)];
  for (const study of [old, young])
    for (let round = 0; round < 4; round++) {
      const trials = await ask(study, { count: 6 });
      await tell(
        study,
        trials.map(({ number }) => [number, Math.sin(number)]),
      );
    }
  const runOf = ({ ledger: { state } }: Study) => (state as GenerationsState<unknown>).run;
  expect(runOf(old)).not.toHaveProperty('margin');
  expect(runOf(young).margin![0]).toBeGreaterThan(1);
  expect(runOf(young).margin![1]).toBe(1);
  const copy = await registry.studies.import('copy', exportStudy(old));
  expect([copy.plan, copy.ledger]).toEqual([plan, old.ledger]);
});

it('late values are half of a generation at most by the rules of studies that are begun now', () => {
  const heldBy = (rules: StudyPlan['rules']) => {
    const method = methodOf({ ...planOf(), rules });
    const { state, asked } = whole(method.ask(method.start(), 16, Infinity));
    const losses = asked.map(({ id, point }) => ({ id, point, loss: Math.sin(id) }));
    const first = whole(method.tell(state, losses.slice(0, 6)));
    const next = whole(method.tell(first.state, losses.slice(6, 11)));
    return (next.state as GenerationsState<unknown>).held.map(({ id }) => id);
  };
  expect(heldBy(2)).toEqual([6, 7, 8, 9, 10]);
  expect(heldBy(3)).toEqual([6, 7, 8]);
});

describe('a study whose values are noisy', () => {
  const noisyPlan = (more: Partial<StudyPlan> = {}) => planOf({ noise: {}, ...more });
  const sign = ({ direction }: StudyPlan) => (direction === 'maximize' ? -1 : 1);

  /** So many trials one by one. */
  const evaluate = async (study: Study, count: number) => {
    for (let i = 0; i < count; i++) {
      const [{ number, point }] = await ask(study);
      const { vector } = point as Extract<TrialPoint, { kind: 'vector' }>;
      await tell(study, [[number, sign(study.plan) * (sphere(vector) + noiseOf(1n, number))]]);
    }
  };

  it('has an estimate in the place of the best trial', async () => {
    const study = registry.studies.create('a', noisyPlan());
    await evaluate(study, 7);
    expect([study.best, study.estimate]).toEqual([undefined, undefined]);
    await evaluate(study, 293);
    const lowest = study.ledger.best!.value;
    const { vector, value, evaluations } = study.estimate!;
    expect([study.best, evaluations <= 300]).toEqual([undefined, true]);
    // Nothing is below 0, whatever the luckiest says.
    expect(lowest).toBeLessThan(-1.5);
    expect(value).toBeGreaterThan(-0.1);
    expect(sphere(vector)).toBeLessThan(0.5);
  });

  it('says the value of its estimate in its own direction', async () => {
    const [up, down] = (['maximize', 'minimize'] as const).map((direction) =>
      registry.studies.create('', noisyPlan({ direction })),
    );
    for (const study of [up, down]) await evaluate(study, 60);
    const { value, ...rest } = up.estimate!;
    expect({ ...rest, value: -value }).toEqual(down.estimate);
  });

  it('has reached its target where its estimate has, and not with one lucky value', async () => {
    const study = registry.studies.create('a', noisyPlan({ target: 0.8, trials: 1000 }));
    await evaluate(study, 20);
    expect(study.ledger.best!.value).toBeLessThan(0.8);
    expect(study.isComplete).toBe(false);
    for (let i = 0; i < 900 && !study.isComplete; i++) await evaluate(study, 1);
    expect(study.estimate!.value).toBeLessThanOrEqual(0.8);
    expect(await ask(study)).toEqual([]);
  });

  it('goes on the same after a restart and from an export, in the middle of a generation', async () => {
    const study = registry.studies.create('a', noisyPlan({ trials: 2000 }));
    await evaluate(study, 301);
    const whole = { ledger: study.ledger, estimate: study.estimate };
    const state = study.ledger.state as NoisyState<unknown>;
    expect([state.held.length > 0, state.effort > 1]).toEqual([true, true]);
    const again = registry.again().get('studies/a');
    const copy = await registry.studies.import('copy', exportStudy(study));
    for (const each of [again, copy]) {
      expect({ ledger: each.ledger, estimate: each.estimate }).toEqual(whole);
      expect(each.plan).toEqual({ ...noisyPlan({ trials: 2000 }), rules: 3 });
    }
    await evaluate(copy, 100);
    await evaluate(study, 100);
    expect(copy.ledger).toEqual(study.ledger);
  });

  const kinds: readonly (readonly [string, Partial<StudyPlan>, string])[] = [
    [
      'an optimizer that makes no difference',
      { form: { ...planOf().form, optimizer: { name: 'random', options: { seed: 1n } } } as never },
      'plan.noise: expected an optimizer that can do with it, cma-es or sep-cma-es, got random',
    ],
    [
      'no deviation',
      { noise: { deviation: 0 } },
      'plan.noise.deviation: expected a finite number above 0, got 0',
    ],
    [
      'one that is infinite',
      { noise: { deviation: Infinity } },
      'plan.noise.deviation: expected a finite number above 0, got Infinity',
    ],
    [
      'the seed form',
      {
        form: {
          kind: 'seed',
          dimensions: 3,
          table: 'gaussian',
          strategy: { name: 'es', options: { population: 2, learningRate: 1, seed: 1n } },
        },
      },
      'plan.noise: expected an optimizer that can do with it, cma-es or sep-cma-es, got the seed form',
    ],
  ];
  it.each(kinds)('is refused with %s', (_, more, message) => {
    expect(() => registry.studies.create('a', noisyPlan(more))).toThrow(message);
  });
});

describe('a study that is deleted', () => {
  it('is not there for whoever waits or asks late, though another one has its name and the same clients', async () => {
    const { studies } = registry;
    const full = studies.create('a', planOf({ trials: 1 }));
    const mine = request({ client: 'a', requestId: 'r', waitMs: 5000 });
    await studies.ask(full, mine, forEver);
    const waiting = [1, 2, 3].map((i) => errorOf(studies.ask(full, { ...mine, client: `${i}` }, forEver)));
    await turn();
    const late = [
      errorOf(studies.ask(full, mine, forEver)),
      errorOf(studies.tell(full, { values: [told(1, 2)], requestId: '', ask: mine }, forEver)),
    ];
    studies.delete(full);
    const other = studies.create('a', planOf({ noise: {} }));
    const [given] = await studies.ask(other, mine, forEver);
    const { ledger, open } = other;
    for (const error of await Promise.all([...waiting, ...late]))
      expect([error.kind, error.message]).toEqual(['not-found', 'studies/a does not exist']);
    expect((await errorOf(studies.ask(full, mine, forEver))).kind).toBe('not-found');
    for (const look of [() => full.updates(0), () => full.trials(0, 9), () => full.estimate, () => full.best])
      expect(look).toThrow('studies/a does not exist');
    expect([other.ledger, other.open]).toEqual([ledger, open]);
    expect(await studies.ask(other, mine, forEver)).toEqual([given]);
  });

  it('is gone at once, its name free, and its rows go part by part', async () => {
    const { studies, journal } = registry;
    const study = studies.create('a', planOf());
    for (let i = 0; i < 3; i++) await ask(study, { count: 1000, leaseMs: 1 });
    await tell(
      study,
      Array.from({ length: 500 }, (_, i) => [i + 1, i]),
    );
    for (let i = 0; i < 3; i++) await ask(study, { count: 1000, client: `${i}`, leaseMs: 60_000 });
    const { trials } = study.ledger;
    expect(trials).toBeGreaterThan(1000);
    studies.delete(study);
    expect(() => studies.get('studies/a')).toThrow('studies/a does not exist');
    expect(journal.studies.list()).toEqual([]);
    const other = studies.create('a', planOf());
    // Not of this study any more, and more than one turn's.
    let turns = 0;
    while (journal.studies.sweep({ rows: 100, bytes: 2 ** 20 })) turns++;
    expect(turns).toBeGreaterThan(trials / 100 - 1);
    await ask(other);
    await turn();
    expect(other.trials(0, 9)).toHaveLength(1);
  });

  it('goes on going after a restart, as one does that was not whole', async () => {
    const { studies, journal } = registry;
    journal.studies.delete(studies.create('a', planOf()).name);
    const plan = encode(planOf());
    journal.studies.begin({ name: 'studies/half', plan, ledger: '{}', changes: 0, createTimeMs: 1 });
    registry.again();
    expect(journal.studies.has('studies/half')).toBe(false);
    for (let i = 0; i < 5; i++) await turn();
    expect(journal.studies.sweep({ rows: 1, bytes: 1 })).toBe(false);
  });
});
