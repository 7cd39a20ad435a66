// Names: of other collections, of nothing, of no letters.
import { rowsOf } from '../wire.ts';
import { type Bad, evaluate, RUN } from './bad.ts';

export const names: readonly Bad[] = [
  {
    what: 'a name of another collection',
    call: (zeroth) => zeroth.runs.get('models/mlp'),
    code: 'INVALID_ARGUMENT',
    field: 'name',
    message: 'name: expected a name of the form "runs/*", got "models/mlp"',
  },
  ...['', 'x'].map(
    (start): Bad => ({
      what: `a name of 1000 emoji, cut ${start === '' ? 'between the halves of one' : 'after a whole one'}`,
      call: (zeroth) => zeroth.models.get(`${start}${'\u{1F600}'.repeat(1000)}`),
      code: 'INVALID_ARGUMENT',
      field: 'name',
      message: /^name: expected a name of the form "models\/\*", got "x?\u{1F600}+\uFFFD?\.\.\.$/u,
    }),
  ),
  {
    what: 'a name that is half a surrogate pair',
    call: (zeroth) => zeroth.runs.get('runs/\ud83d'),
    code: 'INVALID_ARGUMENT',
    field: 'name',
    message: 'name: expected a name of the form "runs/*", got "runs/\ufffd"',
  },
  {
    what: 'an unknown run',
    call: (zeroth) => zeroth.runs.get('runs/none'),
    code: 'NOT_FOUND',
    resource: 'runs/none',
    message: 'runs/none does not exist',
  },
  {
    what: 'an unknown model',
    call: (zeroth) => zeroth.models.get('models/none'),
    code: 'NOT_FOUND',
    resource: 'models/none',
    message: 'models/none does not exist; LoadModel brings it',
  },
  {
    what: 'an unknown dataset',
    call: (zeroth) => evaluate(zeroth, rowsOf(`datasets/${'0'.repeat(64)}`, 0)),
    code: 'NOT_FOUND',
    resource: `datasets/${'0'.repeat(64)}`,
    message: `datasets/${'0'.repeat(64)} does not exist`,
  },
  {
    what: 'an unknown snapshot',
    call: (zeroth, { dataset }) => {
      const anchor = { at: { $case: 'snapshot', value: `${RUN}/snapshots/none` } };
      const points = [{ from: { $case: 'anchor', value: anchor } }];
      return evaluate(zeroth, rowsOf(dataset, 0), { points });
    },
    code: 'NOT_FOUND',
    resource: `${RUN}/snapshots/none`,
    message: `${RUN}/snapshots/none does not exist`,
  },
];
