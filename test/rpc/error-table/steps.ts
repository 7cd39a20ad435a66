// Steps: what is wrong in either half is named with its half.
import type { Zeroth } from '../../../client/client.ts';
import { near, rowsOf, shift } from '../wire.ts';
import { type Bad, inline, RUN, x } from './bad.ts';

/** A step whose update would be applied, were its evaluation not refused before. */
function stepTo(zeroth: Zeroth, more: object) {
  const request = { run: RUN, shifts: [shift(1n, 1e-3)], requestId: 'step' };
  return zeroth.oracle.step({ update: request, evaluate: { run: RUN, points: [near()], ...more } } as never);
}

export const steps: readonly Bad[] = [
  {
    what: 'a step whose decay has no factor',
    call: (zeroth) => {
      const update = { run: RUN, shifts: [], decay: { seed: 1n }, requestId: 'a' };
      return zeroth.oracle.step({ update });
    },
    code: 'INVALID_ARGUMENT',
    field: 'update.decay.factor',
    message: 'update.decay.factor: expected a number above 0 and below 1, got 0',
  },
  {
    what: 'a step whose update has a negative head',
    call: (zeroth) => {
      const request = { run: RUN, shifts: [shift(1n, 1e-3)], expectedRevision: -1n };
      return zeroth.oracle.step({ update: request });
    },
    code: 'INVALID_ARGUMENT',
    field: 'update.expected_revision',
    message: 'update.expected_revision: expected a revision of 0 or more, got -1',
  },
  {
    what: 'a step that evaluates no point',
    call: (zeroth) => stepTo(zeroth, { points: [] }),
    code: 'INVALID_ARGUMENT',
    field: 'evaluate.points',
    message: 'evaluate.points: expected at least one point, got none',
  },
  {
    what: 'a step that evaluates at a point that is not a number',
    call: (zeroth) => stepTo(zeroth, { points: [near(shift(1n, NaN))] }),
    code: 'INVALID_ARGUMENT',
    field: 'evaluate.points[0].shifts[0].scale',
    message: 'evaluate.points[0].shifts[0].scale: expected a finite number, got NaN',
  },
  {
    what: 'a step that evaluates on no batch',
    call: (zeroth) => stepTo(zeroth, {}),
    code: 'INVALID_ARGUMENT',
    field: 'evaluate.batch',
    message: 'evaluate.batch: expected a dataset or inline tensors, got neither',
  },
  {
    what: 'a step that evaluates on a tensor of no type',
    call: (zeroth) => stepTo(zeroth, { batch: inline({ x: { ...x(1), dataType: 99 as never } }) }),
    code: 'INVALID_ARGUMENT',
    field: 'evaluate.batch.inline.tensors["x"].data_type',
    message: 'evaluate.batch.inline.tensors["x"].data_type: expected a known data type, got 99',
  },
  {
    what: 'a step that evaluates at a negative revision',
    call: (zeroth, { dataset }) => stepTo(zeroth, { batch: rowsOf(dataset, 0), revision: -1n }),
    code: 'INVALID_ARGUMENT',
    field: 'evaluate.revision',
    message: 'evaluate.revision: expected a revision of 0 or more, got -1',
  },
  {
    what: 'a step of nothing',
    call: (zeroth) => zeroth.oracle.step({}),
    code: 'INVALID_ARGUMENT',
    field: 'update, evaluate',
    message: 'update, evaluate: expected at least one of the two, got neither',
  },
];
