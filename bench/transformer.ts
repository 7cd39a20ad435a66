// A transformer encoder of the size of MiniLM-L6 with random weights, as an ONNX file: what most figures
// about steps and memory are measured on. The graph is what torch.onnx writes of such a model.
import { RandomGraph } from './random-graph.ts';

const VOCABULARY = 30522;
const POSITIONS = 512;
const HEAD_SIZE = 32;
/** Of the wide layer between two of the model's width. */
const WIDENING = 4;
const CLASSES = 2;
const WORDS = 'embeddings.word_embeddings.weight';
const EPSILON = 1e-12;

/** Of weights, as such models begin with. */
const DEVIATION = 0.02;

export type TransformerOptions = {
  /** 17 has LayerNormalization as an operator; 12 is what older exporters wrote. Default 17. */
  readonly opset?: 12 | 17;
  /** Default 6. */
  readonly layers?: number;
  /** Width, a multiple of 32. Default 384. */
  readonly hidden?: number;
  /** Whether it scores classes of rows, or the vocabulary at every token, as masked models do. Default 'classes'. */
  readonly head?: 'classes' | 'vocabulary';
};

/** Rows of full length, row-major: their masks are ones. */
export function tokens(rows: number, sequence: number) {
  const length = rows * sequence;
  return {
    ids: BigInt64Array.from({ length }, (_, i) => BigInt((i * 7919 + 13) % VOCABULARY)),
    mask: new BigInt64Array(length).fill(1n),
    labels: BigInt64Array.from({ length: rows }, (_, i) => BigInt(i % CLASSES)),
  };
}

/**
 * int64 `input_ids` and `attention_mask` [batch, sequence] to float32 `logits` [batch, 2], or [batch, sequence, 30522]: 22.7
 * million weights by default. The same options give the same file.
 */
export function transformerModel({
  opset = 17,
  layers = 6,
  hidden: width = 384,
  head = 'classes',
}: TransformerOptions = {}): Uint8Array {
  const graph = new RandomGraph(opset, uniforms(DEVIATION));
  graph.input('input_ids', ['batch', 'sequence']);
  graph.input('attention_mask', ['batch', 'sequence']);
  const mask = attentionMask(graph);
  let hidden = embeddings(graph, width);
  for (let layer = 0; layer < layers; layer++)
    hidden = encoderLayer(graph, hidden, mask, `encoder.layer.${layer}`, width);
  if (head === 'vocabulary') maskedHead(graph, hidden, width);
  else classHead(graph, hidden, width);
  return graph.finish();
}

function classHead(graph: RandomGraph, hidden: string, width: number): void {
  const first = graph.add('Gather', [hidden, graph.constant(0n)], { axis: 1 });
  const pooled = graph.add('Tanh', [gemm(graph, first, 'pooler.dense', [width, width])]);
  graph.output(graph.add('Identity', [gemm(graph, pooled, 'classifier', [CLASSES, width])], {}, 'logits'), [
    'batch',
    CLASSES,
  ]);
}

/** Its product is with the embeddings, transposed. */
function maskedHead(graph: RandomGraph, hidden: string, width: number): void {
  const dense = gelu(graph, linear(graph, hidden, 'lm_head.dense', [width, width]));
  const states = normalized(graph, dense, 'lm_head.layer_norm', width);
  const weight = graph.add('Transpose', [WORDS], { perm: [1, 0] });
  const bias = graph.weight('lm_head.bias', [VOCABULARY]);
  graph.add('Add', [graph.add('MatMul', [states, weight]), bias], {}, 'logits');
  graph.output('logits', ['batch', 'sequence', VOCABULARY]);
}

/** 0 for tokens and -10,000 for padding, [batch, 1, 1, sequence]. */
function attentionMask(graph: RandomGraph): string {
  const float32 = graph.add('Cast', [graph.unsqueeze(graph.unsqueeze('attention_mask', [1]), [2])], {
    to: 1,
  });
  const padding = graph.add('Sub', [graph.constant(1), float32]);
  return graph.add('Mul', [padding, graph.constant(-10000)]);
}

function embeddings(graph: RandomGraph, width: number): string {
  const words = graph.weight(WORDS, [VOCABULARY, width]);
  const positions = graph.weight('embeddings.position_embeddings.weight', [POSITIONS, width]);
  // As RoBERTa and MPNet count: tokens from 1, padding 0. A slice of ids 0, 1, ..., as BERT has it, hides the
  // length of the sequence from ONNX Runtime, which then fuses less, with constants and without.
  const counted = graph.add('CumSum', ['attention_mask', graph.constant(1n)]);
  const taken = graph.add('Mul', [counted, 'attention_mask']);
  const sum = graph.add('Add', [
    graph.add('Gather', [words, 'input_ids'], { axis: 0 }),
    graph.add('Gather', [positions, taken], { axis: 0 }),
  ]);
  return normalized(graph, sum, 'embeddings.LayerNorm', width);
}

function encoderLayer(graph: RandomGraph, hidden: string, mask: string, name: string, width: number): string {
  const intermediate = WIDENING * width;
  const attended = attention(graph, hidden, mask, `${name}.attention`, width);
  const output = linear(graph, attended, `${name}.attention.output.dense`, [width, width]);
  const between = normalized(
    graph,
    graph.add('Add', [output, hidden]),
    `${name}.attention.output.LayerNorm`,
    width,
  );
  const wide = gelu(graph, linear(graph, between, `${name}.intermediate.dense`, [width, intermediate]));
  const narrow = linear(graph, wide, `${name}.output.dense`, [intermediate, width]);
  return normalized(graph, graph.add('Add', [narrow, between]), `${name}.output.LayerNorm`, width);
}

function attention(graph: RandomGraph, hidden: string, mask: string, name: string, width: number): string {
  const [query, key, value] = ['query', 'key', 'value'].map((part) =>
    inHeads(graph, linear(graph, hidden, `${name}.self.${part}`, [width, width]), part, width),
  );
  const products = graph.add('MatMul', [query, key]);
  const scaled = graph.add('Div', [products, graph.constant(Math.sqrt(HEAD_SIZE))]);
  // Opset 12 counts from where the rest is one row; with the last axis both mean the same.
  const axis = graph.opset < 13 ? 3 : -1;
  const shares = graph.add('Softmax', [graph.add('Add', [scaled, mask])], { axis });
  const mixed = graph.add('Transpose', [graph.add('MatMul', [shares, value])], { perm: [0, 2, 1, 3] });
  return graph.add('Reshape', [mixed, shapeLike(graph, mixed, [width])]);
}

/** [batch, heads, sequence, size], and the last two exchanged for the keys. */
function inHeads(graph: RandomGraph, input: string, part: string, width: number): string {
  const split = graph.add('Reshape', [input, shapeLike(graph, input, [width / HEAD_SIZE, HEAD_SIZE])]);
  return graph.add('Transpose', [split], { perm: part === 'key' ? [0, 2, 3, 1] : [0, 2, 1, 3] });
}

/** The first two dimensions of a value, and these. */
function shapeLike(graph: RandomGraph, like: string, rest: readonly number[]): string {
  const [batch, sequence] = [0, 1].map((axis) => graph.unsqueeze(sizeOf(graph, like, axis), [0]));
  return graph.add('Concat', [batch, sequence, ...rest.map((size) => graph.constant([size]))], { axis: 0 });
}

function sizeOf(graph: RandomGraph, value: string, axis: number): string {
  return graph.add('Gather', [graph.add('Shape', [value]), graph.constant(BigInt(axis))], { axis: 0 });
}

function gelu(graph: RandomGraph, input: string): string {
  const error = graph.add('Erf', [graph.add('Div', [input, graph.constant(Math.SQRT2)])]);
  const factor = graph.add('Add', [error, graph.constant(1)]);
  return graph.add('Mul', [graph.add('Mul', [input, factor]), graph.constant(0.5)]);
}

function linear(graph: RandomGraph, input: string, name: string, shape: readonly [number, number]): string {
  const product = graph.add('MatMul', [input, graph.weight(`${name}.weight`, shape)]);
  const bias = graph.weight(`${name}.bias`, [shape[1]]);
  // ONNX Runtime makes one Attention of what old exporters wrote; newer ones put the bias first.
  return graph.add('Add', graph.opset < 13 ? [product, bias] : [bias, product]);
}

/** Of rows: exporters write a linear layer over two dimensions as one operator. */
function gemm(
  graph: RandomGraph,
  input: string,
  name: string,
  shape: readonly [outputs: number, inputs: number],
): string {
  const weight = graph.weight(`${name}.weight`, shape);
  return graph.add('Gemm', [input, weight, graph.weight(`${name}.bias`, [shape[0]])], { transB: 1 });
}

function normalized(graph: RandomGraph, input: string, name: string, width: number): string {
  const scale = graph.weight(`${name}.weight`, [width], 1);
  return graph.layerNormalization(input, scale, graph.weight(`${name}.bias`, [width]), EPSILON);
}

/** Around 0, of this deviation, from a 32-bit generator (mulberry32). */
function uniforms(deviation: number): () => number {
  const width = deviation * Math.sqrt(12) * 2 ** -32;
  let state = 1;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let bits = Math.imul(state ^ (state >>> 15), 1 | state);
    bits = (bits + Math.imul(bits ^ (bits >>> 7), 61 | bits)) ^ bits;
    return (bits ^ (bits >>> 14)) * width;
  };
}
