// Studies: plans, trials and values.
import type { Zeroth } from '../../../client/client.ts';
import type { Bad } from './bad.ts';

/** One of a single dimension. */
async function studyOf({ studies }: Zeroth): Promise<string> {
  return (await studies.create({ space: { start: [1] }, optimizer: { name: 'random' } })).name;
}

export const studies: readonly Bad[] = [
  {
    what: 'a study of no parameters',
    call: ({ studies }) => studies.create({ space: {}, optimizer: { name: 'random' } }),
    code: 'INVALID_ARGUMENT',
    field: 'plan.vector.box.parameters',
    message: 'plan.vector.box.parameters: expected at least one, got none',
  },
  {
    what: 'a study whose parameter has its bounds the wrong way round',
    call: ({ studies }) => {
      const space = { a: { min: 0, max: 1 }, b: { min: 2, max: 1 } };
      return studies.create({ space, optimizer: { name: 'random' } });
    },
    code: 'INVALID_ARGUMENT',
    field: 'plan.vector.box.parameters[1].float.max',
    message: 'plan.vector.box.parameters[1].float.max: expected a finite number above 2, got 1',
  },
  {
    what: 'a study by an optimizer that is not there',
    call: ({ studies }) => studies.create({ space: { start: [1] }, optimizer: { name: 'magic' } }),
    code: 'INVALID_ARGUMENT',
    field: 'plan.vector.optimizer.name',
    message: /^plan\.vector\.optimizer\.name: expected an optimizer among .*, got "magic"$/,
  },
  {
    what: 'a study by an optimizer with an option out of range',
    call: ({ studies }) => {
      const optimizer = { name: 'cma-es', options: { population_size: 1 } };
      return studies.create({ space: { start: [1] }, optimizer });
    },
    code: 'INVALID_ARGUMENT',
    field: 'plan.vector.optimizer.options["population_size"]',
    message:
      /^plan\.vector\.optimizer\.options\["population_size"\]: expected a whole number from 2 .*, got 1$/,
  },
  {
    what: 'a study of more dimensions than its optimizer takes',
    call: ({ studies }) =>
      studies.create({ space: { start: new Array(101).fill(0) }, optimizer: { name: 'cma-es' } }),
    code: 'INVALID_ARGUMENT',
    field: 'plan.vector.free.start',
    message: 'plan.vector.free.start: expected at most 100 dimensions for cma-es, got 101',
  },
  {
    what: 'a study that begins too far out',
    call: ({ studies }) => studies.create({ space: { start: [0, 1e60] }, optimizer: { name: 'cma-es' } }),
    code: 'INVALID_ARGUMENT',
    field: 'plan.vector.free.start[1]',
    message: 'plan.vector.free.start[1]: expected a number from -1e+50 to 1e+50, got 1e+60',
  },
  {
    what: 'a study of a scale that squares to nothing',
    call: ({ studies }) =>
      studies.create({ space: { start: [0], scale: 1e-200 }, optimizer: { name: 'random' } }),
    code: 'INVALID_ARGUMENT',
    field: 'plan.vector.free.scale',
    message: 'plan.vector.free.scale: expected a number from 1e-30 to 1e+50, got 1e-200',
  },
  {
    what: 'a study with a parameter that no object can have',
    call: ({ studies }) =>
      studies.create({ space: { ['__proto__']: { min: 0, max: 1 } }, optimizer: { name: 'random' } }),
    code: 'INVALID_ARGUMENT',
    field: 'plan.vector.box.parameters',
    message: "plan.vector.box.parameters: expected names that objects can have, got '__proto__'",
  },
  {
    what: 'an unknown study',
    call: ({ studies }) => studies.get('studies/none'),
    code: 'NOT_FOUND',
    resource: 'studies/none',
    message: 'studies/none does not exist',
  },
  {
    what: 'trials for nobody',
    call: async (zeroth) => zeroth.studies.ask(await studyOf(zeroth), { clientId: '' }),
    code: 'INVALID_ARGUMENT',
    field: 'client_id',
    message: 'client_id: expected 1 to 100 characters, got ""',
  },
  {
    what: 'a lease of more than a day',
    call: async (zeroth) => zeroth.studies.ask(await studyOf(zeroth), { clientId: 'a', leaseMs: 1e9 }),
    code: 'INVALID_ARGUMENT',
    field: 'lease_ms',
    message: 'lease_ms: expected 0 to 86400000 (leaseMsMax), got 1000000000',
  },
  {
    what: 'updates that a study does not have',
    call: async (zeroth) => zeroth.studies.ask(await studyOf(zeroth), { clientId: 'a', revision: 1n }),
    code: 'INVALID_ARGUMENT',
    field: 'revision',
    message: /^revision: expected a revision of 0 to 0, that of studies\/.*, got 1$/,
  },
  {
    what: 'a value that is not a number',
    call: async (zeroth) =>
      zeroth.studies.tell(await studyOf(zeroth), [
        { point: [1], value: 0 },
        { point: [1], value: Number.NaN },
      ]),
    code: 'INVALID_ARGUMENT',
    field: 'values[1].value',
    message: 'values[1].value: expected a finite number; infeasible says that there is none, got NaN',
  },
  {
    what: 'a point of another length',
    call: async (zeroth) => zeroth.studies.tell(await studyOf(zeroth), [{ point: [1, 2], value: 0 }]),
    code: 'INVALID_ARGUMENT',
    field: 'values[0].point.coordinates.values',
    message: 'values[0].point.coordinates.values: expected 1 number, got 2',
  },
  {
    what: 'a point too far out, behind so many others that they are taken by parts',
    call: async (zeroth) => {
      const points = Array.from({ length: 40 }, (_, i) => ({ point: [i === 39 ? 1e101 : i], value: 0 }));
      return zeroth.studies.tell(await studyOf(zeroth), points);
    },
    code: 'INVALID_ARGUMENT',
    field: 'values[39].point.coordinates.values[0]',
    message: 'values[39].point.coordinates.values[0]: expected a number from -1e+100 to 1e+100, got 1e+101',
  },
  {
    what: 'points without an id of their request',
    call: async (zeroth) =>
      zeroth.studies.tell(await studyOf(zeroth), [{ point: [1], value: 0 }], { requestId: '' }),
    code: 'INVALID_ARGUMENT',
    field: 'request_id',
    message: 'request_id: expected an id, where points are told that were never asked for, got ""',
  },
];
