// Runs: how they are made, forked and rolled back.
import { OBJECTIVE } from '../../support/fixture-server.ts';
import { type Bad, RUN } from './bad.ts';

export const runs: readonly Bad[] = [
  {
    what: 'a run id that is taken',
    call: (zeroth, { model }) => zeroth.runs.create({ model, runId: 'table', objective: OBJECTIVE }),
    code: 'ALREADY_EXISTS',
    resource: RUN,
    message: `${RUN} exists already`,
  },
  {
    what: 'a run id with capitals',
    call: (zeroth, { model }) => zeroth.runs.create({ model, runId: 'Table', objective: OBJECTIVE }),
    code: 'INVALID_ARGUMENT',
    field: 'run_id',
    message:
      'run_id: expected 1 to 63 lower-case letters, digits and hyphens, no hyphen at either end, got "Table"',
  },
  {
    what: 'a selector that matches nothing',
    call: (zeroth, { model }) =>
      zeroth.runs.create({ model, objective: OBJECTIVE, trainable: { include: ['decoder.*'] } }),
    code: 'INVALID_ARGUMENT',
    field: 'trainable.include',
    message:
      'trainable.include: expected patterns that match trainable tensors, got "decoder.*" (matches nothing); ' +
      'there are 4, such as "fc1.bias", "fc2.bias", "fc1.weight", "fc2.weight"',
  },
  {
    what: 'an unknown objective',
    call: (zeroth, { model }) => zeroth.runs.create({ model, objective: { name: 'bleu' } }),
    code: 'UNIMPLEMENTED',
    field: 'objective.name',
    message: /^objective\.name: expected one of .*cross_entropy.*, got "bleu"/,
  },
  {
    what: 'an output that the model has not',
    call: (zeroth, { model }) =>
      zeroth.runs.create({ model, objective: { name: 'cross_entropy', output: 'probs' } }),
    code: 'INVALID_ARGUMENT',
    field: 'objective.output',
    message: /^objective\.output: expected .*logits.*, got "probs"/,
  },
  {
    what: 'an unknown noise specification',
    call: (zeroth, { model }) => zeroth.runs.create({ model, objective: OBJECTIVE, noise: 'noise/9' }),
    code: 'UNIMPLEMENTED',
    reason: 'UNKNOWN_NOISE',
    message: 'noise: expected "noise/1", got "noise/9"',
  },
  {
    what: 'an unknown table',
    call: (zeroth, { model }) => zeroth.runs.create({ model, objective: OBJECTIVE, table: 7 as never }),
    code: 'INVALID_ARGUMENT',
    field: 'table',
    message: 'table: expected gaussian (1) or rademacher (2), got 7',
  },
  {
    what: 'a negative revision to fork from',
    call: (zeroth) => zeroth.runs.fork({ name: RUN, revision: -1n }),
    code: 'INVALID_ARGUMENT',
    field: 'revision',
    message: 'revision: expected a revision of 0 or more, got -1',
  },
  {
    what: 'a negative revision to roll back to',
    call: (zeroth) => zeroth.runs.rollback({ name: RUN, revision: -1n, requestId: 'back' }),
    code: 'INVALID_ARGUMENT',
    field: 'revision',
    message: 'revision: expected a revision of 0 or more, got -1',
  },
];
