// Evaluations: on what. Datasets.
import { toTensor } from '../../../client/tensor.ts';
import { CLASSES, INPUTS, ROWS } from '../../support/fixture-server.ts';
import { rowsOf } from '../wire.ts';
import { type Bad, evaluate, inline, labels, x } from './bad.ts';

export const batches: readonly Bad[] = [
  {
    what: 'no batch',
    call: (zeroth) => evaluate(zeroth, undefined),
    code: 'INVALID_ARGUMENT',
    field: 'batch',
    message: 'batch: expected a dataset or inline tensors, got neither',
  },
  {
    what: 'a batch without rows',
    call: (zeroth, { dataset }) => evaluate(zeroth, rowsOf(dataset)),
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
    call: (zeroth, { dataset }) => evaluate(zeroth, rowsOf(dataset, 0, ROWS)),
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
    what: 'a dataset whose tensors disagree about the rows',
    call: (zeroth) => zeroth.datasets.create({ x: x(3), labels: labels(0, 1) }),
    code: 'INVALID_ARGUMENT',
    field: 'header.tensors[1].shape',
    message: 'header.tensors[1].shape: expected 3 rows, as in the first tensor, got [2]',
  },
];
