// Bad input, over a real socket and in process: the code, the reason, the field, and what the message says. After
// each of them the run has the same head and the same weights.
import { symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Zeroth } from '../../client/client.ts';
import { ZerothCallError } from '../../client/errors.ts';
import { toTensor } from '../../client/tensor.ts';
import { ModelProto, TensorProto_DataType } from '../../proto/gen/onnx/onnx.ts';
import { JournalServiceService, ListEntriesRequest } from '../../proto/gen/zeroth/v1/journal_service.ts';
import {
  CLASSES,
  doors,
  type Fixture,
  INPUTS,
  OBJECTIVE,
  ROWS,
  tinyModel,
} from '../support/fixture-server.ts';
import { atHandle, atRevision } from './wire.ts';

const RUN = 'runs/table';

type Bad = {
  readonly what: string;
  readonly call: (zeroth: Zeroth, fixture: Fixture) => Promise<unknown>;
  readonly code: string;
  readonly reason?: string;
  readonly field?: string;
  readonly message: string | RegExp;
};

const shift = (scale: number, seed = 1n) => ({ seed, scale });
const point = (...shifts: { seed: bigint; scale: number }[]) => ({ shifts });
const rows = (dataset: string, ...indices: number[]) => ({
  source: {
    $case: 'dataset',
    value: { dataset, selection: { $case: 'rows', value: { indices: indices.map(BigInt) } } },
  },
});
const inline = (tensors: Record<string, ReturnType<typeof toTensor>>) => ({
  source: { $case: 'inline', value: { tensors } },
});
const x = (n: number, inputs = INPUTS) => toTensor(new Float32Array(n * inputs), [n, inputs]);
const labels = (...values: number[]) => toTensor(BigInt64Array.from(values, BigInt), [values.length]);

function evaluate(zeroth: Zeroth, batch: unknown, more: object = {}) {
  return zeroth.oracle.evaluate({ run: RUN, points: [point()], batch, ...more } as never);
}

function update(zeroth: Zeroth, more: object) {
  return zeroth.oracle.update({ run: RUN, shifts: [shift(1e-3)], ...more } as never);
}

/** A step whose update would be applied, were its evaluation not refused before. */
function stepTo(zeroth: Zeroth, more: object) {
  const request = { run: RUN, shifts: [shift(1e-3)], requestId: 'step' };
  return zeroth.oracle.step({ update: request, evaluate: { run: RUN, points: [point()], ...more } } as never);
}

const shifts = (count: number) => Array.from({ length: count }, (_, i) => shift(1e-9, BigInt(i)));

async function handleOf(zeroth: Zeroth, count: number): Promise<string> {
  return (await zeroth.oracle.perturb({ run: RUN, point: point(...shifts(count)) })).handle;
}

/** One of a single dimension. */
async function studyOf({ studies }: Zeroth): Promise<string> {
  return (await studies.create({ space: { start: [1] }, optimizer: { name: 'random' } })).name;
}

/** The friendly client leaves the size of its pages to the server. */
function listEntries({ channel }: Fixture, pageSize: number): Promise<unknown> {
  const request = ListEntriesRequest.fromPartial({ run: RUN, pageSize });
  return channel.unary(JournalServiceService.listEntries, request);
}

const table: readonly Bad[] = [
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
    message: 'runs/none does not exist',
  },
  {
    what: 'an unknown model',
    call: (zeroth) => zeroth.models.get('models/none'),
    code: 'NOT_FOUND',
    message: 'models/none does not exist; LoadModel brings it',
  },
  {
    what: 'an unknown dataset',
    call: (zeroth) => evaluate(zeroth, rows(`datasets/${'0'.repeat(64)}`, 0)),
    code: 'NOT_FOUND',
    message: `datasets/${'0'.repeat(64)} does not exist`,
  },
  {
    what: 'an unknown snapshot',
    call: (zeroth, { dataset }) => {
      const anchor = { at: { $case: 'snapshot', value: `${RUN}/snapshots/none` } };
      const points = [{ from: { $case: 'anchor', value: anchor } }];
      return evaluate(zeroth, rows(dataset, 0), { points });
    },
    code: 'NOT_FOUND',
    message: `${RUN}/snapshots/none does not exist`,
  },
  {
    what: 'a model outside the model directory',
    call: (zeroth) => zeroth.models.load('../secret.onnx'),
    code: 'INVALID_ARGUMENT',
    field: 'path',
    message: 'path: expected a path relative to the model directory, without "..", got "../secret.onnx"',
  },
  {
    what: 'a model file that is not there',
    call: (zeroth) => zeroth.models.load('none.onnx'),
    code: 'NOT_FOUND',
    message: /^the file "none.onnx" does not exist in the model directory, which has .*mlp\.onnx/,
  },
  {
    what: 'a truncated model file',
    call: (zeroth) => zeroth.models.load('truncated.onnx'),
    code: 'INVALID_ARGUMENT',
    field: 'path',
    message: /^path: expected an ONNX model, got /,
  },
  {
    what: 'a file that is no ONNX model',
    call: (zeroth) => zeroth.models.load('text.onnx'),
    code: 'INVALID_ARGUMENT',
    field: 'path',
    message: /^path: expected an ONNX model, got /,
  },
  {
    what: 'an empty model file',
    call: (zeroth) => zeroth.models.load('empty.onnx'),
    code: 'INVALID_ARGUMENT',
    field: 'path',
    message: /^path: expected an ONNX model, got /,
  },
  {
    what: 'a link that leads out of the model directory',
    call: (zeroth) => zeroth.models.load('link.onnx'),
    code: 'INVALID_ARGUMENT',
    field: 'path',
    message: 'path: expected a file within the model directory, got a link that leads out of it',
  },
  {
    what: 'a model without float32 initializers',
    call: async (zeroth) => {
      const { name: model } = await zeroth.models.load('no-weights.onnx');
      await zeroth.runs.create({ model, objective: OBJECTIVE });
    },
    code: 'INVALID_ARGUMENT',
    field: 'model',
    message:
      'model: expected float32 initializers with finite values to train, got none; lora trains adapters beside weights of any type',
  },
  {
    what: 'a model id that is taken',
    call: (zeroth) => zeroth.models.load('empty.onnx', { modelId: 'mlp' }),
    code: 'ALREADY_EXISTS',
    message: 'models/mlp is loaded already',
  },
  {
    what: 'a run id that is taken',
    call: (zeroth, { model }) => zeroth.runs.create({ model, runId: 'table', objective: OBJECTIVE }),
    code: 'ALREADY_EXISTS',
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
    what: 'no points',
    call: (zeroth, { dataset }) => evaluate(zeroth, rows(dataset, 0), { points: [] }),
    code: 'INVALID_ARGUMENT',
    field: 'points',
    message: 'points: expected at least one point, got none',
  },
  {
    what: 'too many points',
    call: (zeroth, { dataset }) =>
      evaluate(zeroth, rows(dataset, 0), { points: Array.from({ length: 9 }, () => point()) }),
    code: 'INVALID_ARGUMENT',
    field: 'points',
    message: 'points: expected at most 8 (pointsPerRequestMax), got 9',
  },
  {
    what: 'a perturbation that is not a number',
    call: (zeroth, { dataset }) =>
      evaluate(zeroth, rows(dataset, 0), { points: [point(), point(shift(NaN))] }),
    code: 'INVALID_ARGUMENT',
    field: 'points[1].shifts[0].scale',
    message: 'points[1].shifts[0].scale: expected a finite number, got NaN',
  },
  {
    what: 'a perturbation out of the range of a tensor',
    call: (zeroth, { dataset }) => evaluate(zeroth, rows(dataset, 0), { points: [point(shift(1e9))] }),
    code: 'INVALID_ARGUMENT',
    field: 'points[0].shifts',
    message:
      /^points\[0\]\.shifts: expected shifts that leave every weight in its range, got shifts that take .* out of it/,
  },
  {
    what: 'a handle of nothing',
    call: (zeroth, { dataset }) =>
      evaluate(zeroth, rows(dataset, 0), { points: [{ from: { $case: 'handle', value: 'abc' } }] }),
    code: 'INVALID_ARGUMENT',
    field: 'points[0].handle',
    message: 'points[0].handle: expected a handle that Perturb returned, got "abc"',
  },
  {
    what: 'a revision beyond the head',
    call: (zeroth, { dataset }) => evaluate(zeroth, rows(dataset, 0), { revision: 99n }),
    code: 'OUT_OF_RANGE',
    reason: 'REVISION_BEYOND_HEAD',
    field: 'revision',
    message: 'revision: expected a revision up to the head 1, got 99',
  },
  {
    what: 'a negative revision',
    call: (zeroth, { dataset }) => evaluate(zeroth, rows(dataset, 0), { revision: -1n }),
    code: 'INVALID_ARGUMENT',
    field: 'revision',
    message: 'revision: expected a revision of 0 or more, got -1',
  },
  {
    what: 'a negative revision of a point',
    call: (zeroth, { dataset }) => evaluate(zeroth, rows(dataset, 0), { points: [atRevision(-1n)] }),
    code: 'INVALID_ARGUMENT',
    field: 'points[0].anchor.revision',
    message: 'points[0].anchor.revision: expected a revision of 0 or more, got -1',
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
  {
    what: 'a negative revision to list from',
    call: (zeroth) => Array.fromAsync(zeroth.journal.list(RUN, { afterRevision: -1n })),
    code: 'INVALID_ARGUMENT',
    field: 'after_revision',
    message: 'after_revision: expected a revision of 0 or more, got -1',
  },
  {
    what: 'a negative revision to watch from',
    call: (zeroth) => Array.fromAsync(zeroth.journal.watch(RUN, { afterRevision: -1n })),
    code: 'INVALID_ARGUMENT',
    field: 'after_revision',
    message: 'after_revision: expected a revision of 0 or more, got -1',
  },
  {
    what: 'more shifts than allowed, most of them in a handle',
    call: async (zeroth, { dataset }) => {
      const points = [atHandle(await handleOf(zeroth, 10), ...shifts(7))];
      await evaluate(zeroth, rows(dataset, 0), { points });
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
      await evaluate(zeroth, rows(dataset, 0), { points: [point, point] });
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
    what: 'no batch',
    call: (zeroth) => evaluate(zeroth, undefined),
    code: 'INVALID_ARGUMENT',
    field: 'batch',
    message: 'batch: expected a dataset or inline tensors, got neither',
  },
  {
    what: 'a batch without rows',
    call: (zeroth, { dataset }) => evaluate(zeroth, rows(dataset)),
    code: 'INVALID_ARGUMENT',
    field: 'batch.dataset.rows.indices',
    message: /^batch\.dataset\.rows\.indices: expected at least one/,
  },
  {
    what: 'an inline batch without rows',
    call: (zeroth) => evaluate(zeroth, inline({ x: x(0), labels: labels() })),
    code: 'INVALID_ARGUMENT',
    field: 'batch.inline.tensors["x"]',
    message: /^batch\.inline\.tensors.*: expected at least one/,
  },
  {
    what: 'a row that the dataset has not',
    call: (zeroth, { dataset }) => evaluate(zeroth, rows(dataset, 0, ROWS)),
    code: 'INVALID_ARGUMENT',
    field: 'batch.dataset.rows.indices[1]',
    message: `batch.dataset.rows.indices[1]: expected a row from 0 to ${ROWS - 1}, got ${ROWS}`,
  },
  {
    what: 'an input of the wrong type',
    call: (zeroth) =>
      evaluate(zeroth, inline({ x: toTensor(new Float64Array(INPUTS), [1, INPUTS]), labels: labels(0) })),
    code: 'INVALID_ARGUMENT',
    field: 'batch.inline.tensors["x"]',
    message: 'batch.inline.tensors["x"]: expected float32 [-1, 6], got float64 [1, 6]',
  },
  {
    what: 'an input of the wrong shape',
    call: (zeroth) => evaluate(zeroth, inline({ x: x(1, INPUTS + 1), labels: labels(0) })),
    code: 'INVALID_ARGUMENT',
    field: 'batch.inline.tensors["x"]',
    message: 'batch.inline.tensors["x"]: expected float32 [-1, 6], got float32 [1, 7]',
  },
  {
    what: 'bytes that do not fill the shape',
    call: (zeroth) =>
      evaluate(zeroth, inline({ x: { ...x(2), shape: [3n, BigInt(INPUTS)] }, labels: labels(0, 0, 0) })),
    code: 'INVALID_ARGUMENT',
    field: 'batch.inline.tensors["x"].data',
    message: 'batch.inline.tensors["x"].data: expected 72 bytes (float32 [3, 6]), got 48',
  },
  {
    what: 'a data type that does not exist',
    call: (zeroth) => evaluate(zeroth, inline({ x: { ...x(1), dataType: 99 as never }, labels: labels(0) })),
    code: 'INVALID_ARGUMENT',
    field: 'batch.inline.tensors["x"].data_type',
    message: 'batch.inline.tensors["x"].data_type: expected a known data type, got 99',
  },
  {
    what: 'a missing input',
    call: (zeroth) => evaluate(zeroth, inline({ labels: labels(0) })),
    code: 'INVALID_ARGUMENT',
    field: 'batch.inline.tensors',
    message: /^batch\.inline\.tensors.*"x"/,
  },
  {
    what: 'missing labels',
    call: (zeroth) => evaluate(zeroth, inline({ x: x(1) })),
    code: 'INVALID_ARGUMENT',
    field: 'batch.inline.tensors',
    message: /^batch\.inline\.tensors.*"labels"/,
  },
  {
    what: 'labels of another length',
    call: (zeroth) => evaluate(zeroth, inline({ x: x(3), labels: labels(0, 1) })),
    code: 'INVALID_ARGUMENT',
    field: 'batch.inline.tensors["labels"]',
    message: 'batch.inline.tensors["labels"]: expected 3 rows, as "x" has, got 2',
  },
  {
    what: 'a label out of range',
    call: (zeroth) => evaluate(zeroth, inline({ x: x(2), labels: labels(0, CLASSES) })),
    code: 'INVALID_ARGUMENT',
    field: 'batch.inline.tensors["labels"]',
    message: /labels.*expected .*0.*2.*got 3/,
  },
  {
    what: 'an output to return that the model has not',
    call: (zeroth, { dataset }) => evaluate(zeroth, rows(dataset, 0), { outputs: ['hidden'] }),
    code: 'INVALID_ARGUMENT',
    field: 'outputs[0]',
    message: /^outputs\[0\]: expected .*logits.*, got "hidden"/,
  },
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
    call: (zeroth) => update(zeroth, { shifts: [shift(Number.NaN)], requestId: 'a' }),
    code: 'INVALID_ARGUMENT',
    field: 'shifts[0].scale',
    message: 'shifts[0].scale: expected a finite number, got NaN',
  },
  {
    what: 'an infinite update',
    call: (zeroth) => update(zeroth, { shifts: [shift(-Infinity)], requestId: 'a' }),
    code: 'INVALID_ARGUMENT',
    field: 'shifts[0].scale',
    message: 'shifts[0].scale: expected a finite number, got -Infinity',
  },
  {
    what: 'too many shifts',
    call: (zeroth) =>
      update(zeroth, { shifts: Array.from({ length: 17 }, () => shift(1e-9)), requestId: 'a' }),
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
    call: (zeroth) => update(zeroth, { requestId: 'first', shifts: [shift(2e-3)] }),
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
  {
    what: 'a step whose update has a negative head',
    call: (zeroth) => {
      const request = { run: RUN, shifts: [shift(1e-3)], expectedRevision: -1n };
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
    call: (zeroth) => stepTo(zeroth, { points: [point(shift(NaN))] }),
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
    call: (zeroth, { dataset }) => stepTo(zeroth, { batch: rows(dataset, 0), revision: -1n }),
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
  {
    what: 'a page that is too large',
    call: (_, fixture) => listEntries(fixture, 1001),
    code: 'INVALID_ARGUMENT',
    field: 'page_size',
    message: 'page_size: expected 0 to 1000 (pageSizeMax), got 1001',
  },
  {
    what: 'a model that is in use',
    call: (zeroth, { model }) => zeroth.models.unload(model),
    code: 'FAILED_PRECONDITION',
    reason: 'MODEL_IN_USE',
    message: 'models/mlp has 1 run; delete them, or set force to keep their journals and unload',
  },
  {
    what: 'a dataset whose tensors disagree about the rows',
    call: (zeroth) => zeroth.datasets.create({ x: x(3), labels: labels(0, 1) }),
    code: 'INVALID_ARGUMENT',
    field: 'header.tensors[1].shape',
    message: 'header.tensors[1].shape: expected 3 rows, as in the first tensor, got [2]',
  },
];

/** logits = relu(x): a graph that has nothing to train. */
function withoutWeights(): Uint8Array {
  const tensorType = {
    elemType: TensorProto_DataType.FLOAT,
    shape: { dim: [{ dimParam: 'n' }, { dimValue: 6n }] },
  };
  const value = (name: string) => ({ name, type: { tensorType } });
  const graph = {
    name: 'relu',
    node: [{ opType: 'Relu', input: ['x'], output: ['logits'] }],
    input: [value('x')],
    output: [value('logits')],
  };
  const opsetImport = [{ domain: '', version: 17n }];
  return ModelProto.encode(ModelProto.fromPartial({ irVersion: 8n, opsetImport, graph })).finish();
}

describe.each(doors)('bad input %s', (_, start) => {
  let fixture: Fixture;
  let digest: string;

  const weightsDigest = async () => (await fixture.zeroth.journal.verify(RUN)).weightsSha256;

  beforeAll(async () => {
    fixture = await start(['--points-per-request-max', '8', '--shifts-per-request-max', '16']);
    const { zeroth, model, modelDir } = fixture;
    await writeFile(join(modelDir, 'truncated.onnx'), tinyModel().subarray(0, 300));
    await writeFile(join(modelDir, 'text.onnx'), 'this is no model, though it has bytes enough to be one');
    await writeFile(join(modelDir, 'empty.onnx'), '');
    await writeFile(join(modelDir, 'no-weights.onnx'), withoutWeights());
    await symlink('/etc/hostname', join(modelDir, 'link.onnx'));
    await zeroth.runs.create({ model, runId: 'table', objective: OBJECTIVE });
    await update(zeroth, { requestId: 'first' });
    digest = await weightsDigest();
  });

  afterAll(() => fixture[Symbol.asyncDispose]());

  test.each(table)('$what', async ({ call, code, reason, field, message }) => {
    const error = await call(fixture.zeroth, fixture).then(
      () => 'no error',
      (caught: unknown) => caught,
    );
    expect(error).toBeInstanceOf(ZerothCallError);
    const { code: gotCode, reason: gotReason, message: gotMessage, details } = error as ZerothCallError;
    expect(gotMessage).toMatch(message);
    expect(gotCode).toBe(code);
    expect(gotReason).toBe(reason ?? code);
    if (field !== undefined) expect(details.violations.map((violation) => violation.field)).toEqual([field]);
    if (code === 'NOT_FOUND') expect(details.resource).toBeTypeOf('string');
    expect((await fixture.zeroth.runs.get(RUN)).revision).toBe(1n);
  });

  test('a loss that is not a number is an answer, flagged', async () => {
    const batch = inline({
      x: toTensor(new Float32Array(INPUTS).fill(Number.NaN), [1, INPUTS]),
      labels: labels(0),
    });
    const { results } = await evaluate(fixture.zeroth, batch);
    expect(results).toMatchObject([{ loss: Number.NaN, finite: false, examples: 1n }]);
  });

  test('none of them changed a weight', async () => {
    expect(await weightsDigest()).toBe(digest);
  });
});
