// Losses of language models: the negative logarithm of the probability that each labelled position gives to its token, and the mean of it
// for every example.
import { invalid } from '../../errors.ts';
import { type Described, describe, elements, isScored, scoresOf, type Tensor } from '../../tensor.ts';
import { negativeLogLikelihood } from './cross-entropy.ts';
import { PositionLossGraph } from './loss-graph.ts';
import { type LabelNames, type Objective, rejectOutput } from './objective.ts';

/** A label that is none: PyTorch's ignore_index, and what Hugging Face's collators write at padding. */
const IGNORED = -100;

/** The positions of all rows that have a label, one after the other. */
export type LabelledPositions = {
  /** Row times the length of the sequence, plus the place in it. */
  readonly positions: Int32Array;
  readonly targets: Int32Array;
  /** Of each row, at least 1. */
  readonly counts: Int32Array;
};

/** How a position's token is told: by the label beside it, or by the next one. */
type Shift = 0 | 1;

/** What is made of the scores of a position and its token, and of the positions of an example. */
export type PositionScore = {
  /** The same in float64 as `graph` in float32; the scores lie from `start` to `end`. */
  ofPosition(scores: Float32Array, start: number, end: number, target: number): number;
  /** @param graph Not finished; the file is what it is finished as. */
  graph(graph: PositionLossGraph): Uint8Array;
  /** The loss of each example, in float64. */
  ofExamples(losses: Float32Array | Float64Array, counts: Int32Array): Float64Array;
};

const likelihood: PositionScore = {
  ofPosition: negativeLogLikelihood,
  graph: likelihoodGraph,
  ofExamples: meansOf,
};

/** Next-token prediction: position t is scored by the label of t + 1, the last one by none. */
export const causalLm: Objective = tokenObjective('causal_lm', 1, likelihood);

/** Masked tokens: position t is scored by its own label. */
export const maskedLm: Objective = tokenObjective('masked_lm', 0, likelihood);

export function tokenObjective(name: string, shift: Shift, score: PositionScore): Objective {
  const { ofPosition, ofExamples } = score;
  const select = (labels: Tensor, output: Described, names: LabelNames) =>
    selected(shift, labels, output, names);
  const losses = (output: Tensor, { positions, targets, counts }: LabelledPositions) => {
    const scores = scoresOf(output);
    const vocabulary = output.shape[2];
    const ofPositions = Float64Array.from(positions, (position, i) =>
      ofPosition(scores, position * vocabulary, (position + 1) * vocabulary, targets[i]),
    );
    return ofExamples(ofPositions, counts);
  };
  return {
    name,
    checkOutput,
    checkLabels,
    losses: (output, labels, names) => losses(output, select(labels, output, names)),
    tokens: {
      graph: (scored, scope) => score.graph(new PositionLossGraph(scored, scope)),
      select,
      losses,
      ofExamples,
      endOf: labelsEnd,
    },
  };
}

/** float32 or float16 [rows, sequence, vocabulary] */
function checkOutput(output: Described): void {
  const { dataType, shape } = output;
  if (!isScored(dataType) || (shape.length !== 3 && shape.length !== 0))
    rejectOutput('float32 [rows, sequence, vocabulary]', output);
}

/** int32 or int64 [rows, sequence] */
function checkLabels(labels: Described, output: Described, field: string): void {
  const { dataType, shape } = labels;
  const [, sequence = -1] = output.shape;
  const fits = shape.length === 2 && (sequence === -1 || shape[1] === sequence);
  if (!fits || (dataType !== 'int64' && dataType !== 'int32')) {
    const length = sequence === -1 ? 'sequence' : `${sequence}`;
    throw invalid(field, `int64 or int32 labels [rows, ${length}]`, describe(labels));
  }
}

/** @throws ZerothError naming the row where a label is no token, or a row has none. */
function selected(shift: Shift, labels: Tensor, output: Described, names: LabelNames): LabelledPositions {
  const [rows, sequence, vocabulary] = output.shape;
  const labelAt = labelReader(labels);
  const positions: number[] = [];
  const targets: number[] = [];
  const counts = new Int32Array(rows);
  for (let row = 0; row < rows; row++) {
    for (let place = 0; place < sequence - shift; place++) {
      const label = labelAt(row * sequence + place + shift);
      if (label === IGNORED) continue;
      if (label < 0 || label >= vocabulary)
        throw invalid(
          names.field,
          `tokens from 0 to ${vocabulary - 1}, or ${IGNORED} where there is none`,
          `${label} in row ${names.rowOf(row)}`,
        );
      positions.push(row * sequence + place);
      targets.push(label);
      counts[row]++;
    }
    if (counts[row] === 0)
      throw invalid(names.field, 'a token to predict in every row', `none in row ${names.rowOf(row)}`);
  }
  return { positions: Int32Array.from(positions), targets: Int32Array.from(targets), counts };
}

/** One behind the last label of a row that is one. */
function labelsEnd(labels: Tensor, row: number): number {
  if (labels.shape.length !== 2 || !labels.dataType.startsWith('int')) return 0;
  const labelAt = labelReader(labels);
  let end = labels.shape[1];
  while (end > 0 && labelAt(row * labels.shape[1] + end - 1) === IGNORED) end--;
  return end;
}

function labelReader(labels: Tensor): (at: number) => number {
  if (labels.dataType === 'int32') {
    const values = elements(labels, Int32Array, 4);
    return (at) => values[at];
  }
  const values = elements(labels, BigInt64Array, 8);
  return (at) => Number(values[at]);
}

/** The mean loss of each example's positions, in float64. */
export function meansOf(losses: Float32Array | Float64Array, counts: Int32Array): Float64Array {
  let at = 0;
  return Float64Array.from(counts, (count) => {
    let sum = 0;
    for (const end = at + count; at < end; at++) sum += losses[at];
    return sum / count;
  });
}

/**
 * `negativeLogLikelihood`, in operators that ONNX Runtime's WebGPU provider has. Without cross_entropy's `nothingOrNaN`: of 1,024 positions
 * and 50,257 tokens it would take 424 MiB more and twice the time. A shader that loses a NaN makes it infinite here, never finite.
 */
function likelihoodGraph(graph: PositionLossGraph): Uint8Array {
  const { scored: scores, labels: targets } = graph;
  const centred = graph.add('Sub', [scores, graph.reduce('ReduceMax', scores)]);
  const sum = graph.reduce('ReduceSum', graph.add('Exp', [centred]));
  const own = graph.add('GatherElements', [centred, targets], { axis: 1 });
  return graph.finishWith(graph.add('Sub', [graph.add('Log', [sum]), own]));
}
