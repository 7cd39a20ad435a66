// Labels that name one of the classes that an output scores; shared by the classifiers' objectives.
import { invalid } from '../../errors.ts';
import { type Described, describe, elements, isScored, scoresOf, type Tensor } from '../../tensor.ts';
import { type LabelNames, rejectOutput } from './objective.ts';

/** float32 or float16 [rows, classes] */
export function checkScores(output: Described): void {
  const { dataType, shape } = output;
  if (!isScored(dataType) || (shape.length !== 2 && shape.length !== 0))
    rejectOutput('float32 [rows, classes]', output);
}

/** int32 or int64, [rows] or [rows, 1] */
export function checkClassLabels(labels: Described, _output: Described, field: string): void {
  const { dataType, shape } = labels;
  const isColumn = shape.length === 1 || (shape.length === 2 && shape[1] === 1);
  if (!isColumn || (dataType !== 'int64' && dataType !== 'int32'))
    throw invalid(field, 'int64 or int32 labels [rows]', describe(labels));
}

/** The loss of the row whose scores lie from `start` to `end`: a view of them would cost as much as scoring ten classes. */
type ScoreRow = (scores: Float32Array, start: number, end: number, label: number) => number;

/**
 * Calls `score` with the scores of every row and its class.
 * @returns what it returned, row by row.
 */
export function scoreRows(output: Tensor, labels: Tensor, names: LabelNames, score: ScoreRow): Float64Array {
  const [rows, classes] = output.shape;
  const scores = scoresOf(output);
  const classOf = classReader(labels);
  const losses = new Float64Array(rows);
  for (let i = 0; i < rows; i++) {
    const label = classOf(i);
    checkClass(names, i, label, classes);
    losses[i] = score(scores, i * classes, (i + 1) * classes, label);
  }
  return losses;
}

/** Labels as the graphs of the classifiers' objectives take them: int32 [rows, 1]. */
export function toClassColumn(labels: Tensor, output: Described, names: LabelNames): Tensor {
  const [rows, classes] = output.shape;
  const classOf = classReader(labels);
  const column = new Int32Array(rows);
  for (let i = 0; i < rows; i++) {
    const label = classOf(i);
    checkClass(names, i, label, classes);
    column[i] = label;
  }
  return { dataType: 'int32', shape: [rows, 1], data: new Uint8Array(column.buffer) };
}

function classReader(labels: Tensor): (row: number) => number {
  if (labels.dataType === 'int32') {
    const classes = elements(labels, Int32Array, 4);
    return (row) => classes[row];
  }
  const classes = elements(labels, BigInt64Array, 8);
  return (row) => Number(classes[row]);
}

function checkClass(names: LabelNames, i: number, label: number, classes: number): void {
  if (label < 0 || label >= classes)
    throw invalid(names.field, `classes from 0 to ${classes - 1}`, `${label} in row ${names.rowOf(i)}`);
}
