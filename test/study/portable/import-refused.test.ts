// Whatever may be wrong with a file.
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { decode } from '../../../server/text.ts';
import { errorOf, inPieces, openRegistry, planOf, type Registry } from '../registry.ts';
import { bytesOf, evaluated, signed } from './exports.ts';

let registry: Registry;
beforeEach(() => {
  registry = openRegistry();
});
afterEach(() => registry[Symbol.dispose]());

describe('an import', () => {
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
    const lines = (await bytesOf(await evaluated(registry, planOf())))
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
    const study = await evaluated(registry, planOf({ noise: {} }));
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
});
