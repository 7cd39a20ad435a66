// Updates, decays among them.
import { shift } from '../wire.ts';
import { type Bad, update } from './bad.ts';

export const updates: readonly Bad[] = [
  {
    what: 'an update without shifts',
    call: (zeroth) => update(zeroth, { shifts: [], requestId: 'a' }),
    code: 'INVALID_ARGUMENT',
    field: 'shifts',
    message: 'shifts: expected at least one shift, or a decay, got none',
  },
  ...[0, 1, -0.5, Number.NaN, Number.POSITIVE_INFINITY].map(
    (factor): Bad => ({
      what: `a decay by ${factor}`,
      call: (zeroth) => update(zeroth, { decay: { factor, seed: 1n }, requestId: 'a' }),
      code: 'INVALID_ARGUMENT',
      field: 'decay.factor',
      message: `decay.factor: expected a number above 0 and below 1, got ${factor}`,
    }),
  ),
  {
    what: 'a decay of tensors that are not there',
    call: (zeroth) => {
      const decay = { factor: 0.5, seed: 1n, include: ['*.weight', 'fc9*'] };
      return update(zeroth, { decay, requestId: 'a' });
    },
    code: 'INVALID_ARGUMENT',
    field: 'decay.include[1]',
    message:
      'decay.include[1]: expected a pattern that matches trainable tensors of runs/table (fc1.weight, fc1.bias, fc2.weight, ...), got "fc9*"',
  },
  {
    what: 'a decay of nothing',
    call: (zeroth) =>
      update(zeroth, { decay: { factor: 0.5, exclude: ['*bias', '*'] }, shifts: [], requestId: 'a' }),
    code: 'INVALID_ARGUMENT',
    field: 'decay.exclude',
    message: 'decay.exclude: expected patterns that leave an included tensor, got patterns that match all 4',
  },
  {
    what: 'a decay by patterns that would take long',
    call: (zeroth) =>
      update(zeroth, { decay: { factor: 0.5, include: ['*'.repeat(1000)], exclude: ['x'.repeat(25)] } }),
    code: 'INVALID_ARGUMENT',
    field: 'decay.include',
    message: 'decay.include, exclude: expected at most 1024 characters in all, got 1025',
  },
  {
    what: 'an update made of a NaN loss',
    call: (zeroth) => update(zeroth, { shifts: [shift(1n, Number.NaN)], requestId: 'a' }),
    code: 'INVALID_ARGUMENT',
    field: 'shifts[0].scale',
    message: 'shifts[0].scale: expected a finite number, got NaN',
  },
  {
    what: 'an infinite update',
    call: (zeroth) => update(zeroth, { shifts: [shift(1n, -Infinity)], requestId: 'a' }),
    code: 'INVALID_ARGUMENT',
    field: 'shifts[0].scale',
    message: 'shifts[0].scale: expected a finite number, got -Infinity',
  },
  {
    what: 'too many shifts',
    call: (zeroth) =>
      update(zeroth, { shifts: Array.from({ length: 17 }, () => shift(1n, 1e-9)), requestId: 'a' }),
    code: 'INVALID_ARGUMENT',
    field: 'shifts',
    message: 'shifts: expected at most 16 shifts (shiftsPerRequestMax), got 17',
  },
  {
    what: 'an update that a retry could apply twice',
    call: (zeroth) => update(zeroth, {}),
    code: 'INVALID_ARGUMENT',
    field: 'request_id',
    message: 'request_id: expected a request_id or an expected_revision, got neither',
  },
  {
    what: 'a request id with other content',
    call: (zeroth) => update(zeroth, { requestId: 'first', shifts: [shift(1n, 2e-3)] }),
    code: 'INVALID_ARGUMENT',
    reason: 'REQUEST_ID_REUSED',
    field: 'request_id',
    message:
      'request_id: expected an id that was not used before, got "first", which made revision 1 with other content',
  },
  {
    what: 'another head than expected',
    call: (zeroth) => update(zeroth, { expectedRevision: 0n }),
    code: 'ABORTED',
    reason: 'REVISION_MISMATCH',
    message: 'expected_revision: expected the head to be 0, it is 1',
  },
  {
    what: 'a measurement that is too old',
    call: (zeroth) => update(zeroth, { requestId: 'late', measuredAtRevision: 0n }),
    code: 'ABORTED',
    reason: 'STALE_MEASUREMENT',
    message: 'measured_at_revision: 0 lies 1 revision behind the head 1, staleness_max is 0',
  },
  {
    what: 'a negative revision to measure at',
    call: (zeroth) => update(zeroth, { requestId: 'a', measuredAtRevision: -1n }),
    code: 'INVALID_ARGUMENT',
    field: 'measured_at_revision',
    message: 'measured_at_revision: expected a revision of 0 or more, got -1',
  },
  {
    what: 'a negative staleness',
    call: (zeroth) => update(zeroth, { requestId: 'a', measuredAtRevision: 1n, stalenessMax: -1n }),
    code: 'INVALID_ARGUMENT',
    field: 'staleness_max',
    message: 'staleness_max: expected a number of revisions, 0 or more, got -1',
  },
  {
    what: 'a staleness of no measurement',
    call: (zeroth) => update(zeroth, { requestId: 'a', stalenessMax: 3n }),
    code: 'INVALID_ARGUMENT',
    field: 'staleness_max',
    message: 'staleness_max: expected a measured_at_revision beside it, got none',
  },
  {
    what: 'a negative head',
    call: (zeroth) => update(zeroth, { expectedRevision: -1n }),
    code: 'INVALID_ARGUMENT',
    field: 'expected_revision',
    message: 'expected_revision: expected a revision of 0 or more, got -1',
  },
];
