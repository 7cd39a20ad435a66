// Evaluations: where.
import type { Zeroth } from '../../../client/client.ts';
import { atHandle, atRevision, near, rowsOf, shift } from '../wire.ts';
import { type Bad, evaluate, RUN } from './bad.ts';

const shifts = (count: number) => Array.from({ length: count }, (_, i) => shift(BigInt(i), 1e-9));

async function handleOf(zeroth: Zeroth, count: number): Promise<string> {
  return (await zeroth.oracle.perturb({ run: RUN, point: near(...shifts(count)) })).handle;
}

export const points: readonly Bad[] = [
  {
    what: 'no points',
    call: (zeroth, { dataset }) => evaluate(zeroth, rowsOf(dataset, 0), { points: [] }),
    code: 'INVALID_ARGUMENT',
    field: 'points',
    message: 'points: expected at least one point, got none',
  },
  {
    what: 'too many points',
    call: (zeroth, { dataset }) =>
      evaluate(zeroth, rowsOf(dataset, 0), { points: Array.from({ length: 9 }, () => near()) }),
    code: 'INVALID_ARGUMENT',
    field: 'points',
    message: 'points: expected at most 8 (pointsPerRequestMax), got 9',
  },
  {
    what: 'a perturbation that is not a number',
    call: (zeroth, { dataset }) =>
      evaluate(zeroth, rowsOf(dataset, 0), { points: [near(), near(shift(1n, NaN))] }),
    code: 'INVALID_ARGUMENT',
    field: 'points[1].shifts[0].scale',
    message: 'points[1].shifts[0].scale: expected a finite number, got NaN',
  },
  {
    what: 'a perturbation out of the range of a tensor',
    call: (zeroth, { dataset }) => evaluate(zeroth, rowsOf(dataset, 0), { points: [near(shift(1n, 1e9))] }),
    code: 'INVALID_ARGUMENT',
    field: 'points[0].shifts',
    message:
      /^points\[0\]\.shifts: expected shifts that leave every weight in its range, got shifts that take .* out of it/,
  },
  {
    what: 'a handle of nothing',
    call: (zeroth, { dataset }) =>
      evaluate(zeroth, rowsOf(dataset, 0), { points: [{ from: { $case: 'handle', value: 'abc' } }] }),
    code: 'INVALID_ARGUMENT',
    field: 'points[0].handle',
    message: 'points[0].handle: expected a handle that Perturb returned, got "abc"',
  },
  {
    what: 'a revision beyond the head',
    call: (zeroth, { dataset }) => evaluate(zeroth, rowsOf(dataset, 0), { revision: 99n }),
    code: 'OUT_OF_RANGE',
    reason: 'REVISION_BEYOND_HEAD',
    field: 'revision',
    message: 'revision: expected a revision up to the head 1, got 99',
  },
  {
    what: 'a negative revision',
    call: (zeroth, { dataset }) => evaluate(zeroth, rowsOf(dataset, 0), { revision: -1n }),
    code: 'INVALID_ARGUMENT',
    field: 'revision',
    message: 'revision: expected a revision of 0 or more, got -1',
  },
  {
    what: 'a negative revision of a point',
    call: (zeroth, { dataset }) => evaluate(zeroth, rowsOf(dataset, 0), { points: [atRevision(-1n)] }),
    code: 'INVALID_ARGUMENT',
    field: 'points[0].anchor.revision',
    message: 'points[0].anchor.revision: expected a revision of 0 or more, got -1',
  },
  {
    what: 'more shifts than allowed, most of them in a handle',
    call: async (zeroth, { dataset }) => {
      const points = [atHandle(await handleOf(zeroth, 10), ...shifts(7))];
      await evaluate(zeroth, rowsOf(dataset, 0), { points });
    },
    code: 'INVALID_ARGUMENT',
    field: 'points[0].shifts',
    message:
      'points[0].shifts: expected at most 16 shifts with those of the handle (shiftsPerRequestMax), got 17',
  },
  {
    what: 'handles that have more shifts than allowed together',
    call: async (zeroth, { dataset }) => {
      const point = atHandle(await handleOf(zeroth, 10));
      await evaluate(zeroth, rowsOf(dataset, 0), { points: [point, point] });
    },
    code: 'INVALID_ARGUMENT',
    field: 'points',
    message: 'points: expected at most 16 shifts in all (shiftsPerRequestMax), got 20',
  },
  {
    what: 'a perturbation that grows by its handle',
    call: async (zeroth) => {
      const point = atHandle(await handleOf(zeroth, 10), ...shifts(7));
      await zeroth.oracle.perturb({ run: RUN, point });
    },
    code: 'INVALID_ARGUMENT',
    field: 'point.shifts',
    message:
      'point.shifts: expected at most 16 shifts with those of the handle (shiftsPerRequestMax), got 17',
  },
  {
    what: 'an output to return that the model has not',
    call: (zeroth, { dataset }) => evaluate(zeroth, rowsOf(dataset, 0), { outputs: ['hidden'] }),
    code: 'INVALID_ARGUMENT',
    field: 'outputs[0]',
    message: /^outputs\[0\]: expected .*logits.*, got "hidden"/,
  },
];
