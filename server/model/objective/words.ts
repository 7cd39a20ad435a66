// Classes by the words that stand for them: of a language model's scores for every token, those of a few candidates at one position of each
// row, which are then scored like any classifier's. MeZO's prompts (arXiv 2305.17333, appendix E.2): "It was great" or "terrible".
import { invalid } from '../../errors.ts';
import { GraphWriter } from '../../onnx/graph-writer.ts';
import {
  type DataType,
  type Described,
  describe,
  elements,
  isScored,
  scoresOf,
  type Tensor,
} from '../../tensor.ts';
import { type Scope, scoresAtPositions } from './loss-graph.ts';
import { type LabelNames, rejectOutput } from './objective.ts';

const OPSET = 18;

/** As they come with a batch: int64 or int32. */
export type Words = {
  /** [rows, classes]: the tokens that stand for classes 0, 1, ... */
  readonly candidates: Tensor;
  /** [rows]: where they are scored. */
  readonly positions: Tensor;
};

/** Where the scores of a batch's words are, in the output as [rows x sequence, vocabulary]. */
export type WordPlaces = {
  readonly classes: number;
  /** [rows] */
  readonly positions: Int32Array;
  /** [rows, classes] */
  readonly candidates: Int32Array;
};

/** @throws ZerothError invalid-argument naming `objective.output` where it has no scores for words. */
export function checkWordScores(output: Described): void {
  const { dataType, shape } = output;
  if (!isScored(dataType) || (shape.length !== 3 && shape.length !== 0))
    rejectOutput('float32 [rows, sequence, vocabulary]', output);
}

/**
 * @param output With all dimensions known.
 * @param names Of the candidates and of the positions.
 * @throws ZerothError naming the row where a candidate is no token, or a position none of the sequence.
 */
export function placesOf(
  { candidates, positions }: Words,
  output: Described,
  names: { readonly candidates: LabelNames; readonly positions: LabelNames },
): WordPlaces {
  const [rows, sequence, vocabulary] = output.shape;
  checkShape(candidates, 2, '[rows, classes]', names.candidates);
  checkShape(positions, 1, '[rows]', names.positions);
  const classes = candidates.shape[1];
  const tokens = integersOf(candidates, vocabulary, 'tokens', classes, names.candidates);
  const places = integersOf(positions, sequence, 'positions', 1, names.positions);
  return {
    classes,
    candidates: tokens,
    positions: Int32Array.from({ length: rows }, (_, row) => row * sequence + places[row]),
  };
}

/** What objectives score instead of the output. */
export const WORD_SCORES: Described = { dataType: 'float32', shape: [-1, -1] };

/** As `WORD_SCORES`, of an output that is on the host. */
export function wordScores(output: Tensor, { classes, positions, candidates }: WordPlaces): Tensor {
  const scores = scoresOf(output);
  const vocabulary = output.shape[2];
  const chosen = Float32Array.from(
    candidates,
    (token, i) => scores[positions[Math.floor(i / classes)] * vocabulary + token],
  );
  return { dataType: 'float32', shape: [positions.length, classes], data: new Uint8Array(chosen.buffer) };
}

/** Scores at one position of each row, and int32 `candidates` [rows, classes], to float32 `scores` [rows, classes]. */
export function wordsGraph(scored: DataType, scope: Scope): Uint8Array {
  const graph = new GraphWriter(OPSET);
  const atPositions = scoresAtPositions(graph, scored, scope);
  const candidates = graph.input('candidates', ['n', 'classes'], 'int32');
  graph.add('GatherElements', [atPositions, candidates], { axis: 1 }, 'scores');
  graph.output('scores', ['n', 'classes']);
  return graph.finish();
}

function checkShape(tensor: Described, rank: number, expected: string, { field }: LabelNames): void {
  const { dataType, shape } = tensor;
  if (shape.length !== rank || (dataType !== 'int64' && dataType !== 'int32'))
    throw invalid(field, `int64 or int32 ${expected}`, describe(tensor));
}

function integersOf(
  tensor: Tensor,
  end: number,
  what: string,
  width: number,
  { field, rowOf }: LabelNames,
): Int32Array {
  const values =
    tensor.dataType === 'int32' ? elements(tensor, Int32Array, 4) : elements(tensor, BigInt64Array, 8);
  return Int32Array.from(values as ArrayLike<number | bigint>, (value, i) => {
    const integer = Number(value);
    if (integer >= 0 && integer < end) return integer;
    throw invalid(field, `${what} from 0 to ${end - 1}`, `${integer} in row ${rowOf(Math.floor(i / width))}`);
  });
}

/** One behind the position of a row; of positions that have not been checked. */
export function positionsEnd(positions: Tensor, row: number): number {
  if (positions.shape.length !== 1 || !positions.dataType.startsWith('int')) return 0;
  const bytes = positions.dataType === 'int64' ? 8 : 4;
  const view = new DataView(positions.data.buffer, positions.data.byteOffset + row * bytes, bytes);
  return (bytes === 8 ? Number(view.getBigInt64(0, true)) : view.getInt32(0, true)) + 1;
}
