// A tiny transformer encoder with an attention mask, written the way exporters write one.
import { RandomGraph } from '../../../bench/random-graph.ts';

export const VOCABULARY = 50;
export const CLASSES = 3;
const HIDDEN = 16;
const HEADS = 2;
const POSITIONS = 64;

export type EncoderOptions = {
  /** 'padding': over padding too, for which no mask of attention can make up. Default 'tokens'. */
  readonly meanOver?: 'tokens' | 'padding';
  /** The sequence dimension as the graph has it: a name, a size, or '' where it says nothing. */
  readonly sequence?: string | number;
  /** What the mask is called. Default attention_mask. */
  readonly mask?: string;
  /** Positions as a tracing exporter leaves them: constants for so many tokens, whatever the graph declares. */
  readonly tracedAt?: number;
  /** What the last layer begins with. Default: numbers that look random, as everything else. */
  readonly head?: 'zeros';
};

/**
 * int64 `input_ids` and a mask [n, sequence] to float32 `logits` [n, classes] and `tokens`
 * [n, sequence, hidden]. The embedding of id 0, which pads, is as large as any.
 */
export function maskedEncoder(options: EncoderOptions = {}): Uint8Array {
  const { meanOver = 'tokens', sequence = 'sequence', mask = 'attention_mask' } = options;
  let drawn = 0;
  let deviation = 0.5;
  const graph = new RandomGraph(17, () => Math.sin(++drawn * 12.9898) * deviation);
  graph.input('input_ids', ['n', sequence]);
  graph.input(mask, ['n', sequence]);
  const weights = graph.add('Cast', [mask], { to: 1 });
  const states = encoderLayer(graph, embedded(graph, options), weights);
  const wide = graph.unsqueeze(weights, [2]);
  const counted =
    meanOver === 'tokens' ? wide : graph.add('Add', [graph.add('Sub', [wide, wide]), one(graph)]);
  const axis = graph.constant([1]);
  const sum = graph.add('ReduceSum', [graph.add('Mul', [states, counted]), axis], { keepdims: 0 });
  const count = graph.add('ReduceSum', [counted, axis], { keepdims: 0 });
  const mean = graph.add('Div', [sum, graph.add('Max', [count, one(graph)])]);
  if (options.head === 'zeros') deviation = 0;
  graph.output(graph.add('Identity', [linear(graph, mean, 'head', CLASSES)], {}, 'logits'), ['n', CLASSES]);
  graph.output(graph.add('Identity', [states], {}, 'tokens'), ['n', sequence, HIDDEN]);
  return graph.finish();
}

function embedded(graph: RandomGraph, { tracedAt }: EncoderOptions): string {
  const words = graph.add('Gather', [graph.weight('words', [VOCABULARY, HIDDEN]), 'input_ids']);
  if (tracedAt !== undefined)
    return graph.add('Add', [words, graph.weight('positions', [1, tracedAt, HIDDEN])]);
  const shape = graph.add('Shape', ['input_ids']);
  const length = graph.add('Gather', [shape, graph.constant(1n)], { axis: 0 });
  const places = graph.add('Range', [graph.constant(0n), length, graph.constant(1n)]);
  const placed = graph.add('Gather', [graph.weight('positions', [POSITIONS, HIDDEN]), places]);
  return graph.add('Add', [words, placed]);
}

function encoderLayer(graph: RandomGraph, states: string, mask: string): string {
  const heads = ['query', 'key', 'value'].map((role) => {
    const all = linear(graph, states, role, HIDDEN);
    const split = graph.add('Reshape', [all, graph.constant([0, 0, HEADS, HIDDEN / HEADS])]);
    return graph.add('Transpose', [split], { perm: role === 'key' ? [0, 2, 3, 1] : [0, 2, 1, 3] });
  });
  const padding = graph.add('Sub', [one(graph), graph.unsqueeze(mask, [1, 2])]);
  const bias = graph.add('Mul', [padding, graph.constant(-3.4028234663852886e38)]);
  const scores = graph.add('Add', [graph.add('MatMul', heads.slice(0, 2)), bias]);
  const shares = graph.add('Softmax', [scores], { axis: -1 });
  const mixed = graph.add('Transpose', [graph.add('MatMul', [shares, heads[2]])], { perm: [0, 2, 1, 3] });
  const joined = graph.add('Reshape', [mixed, graph.constant([0, 0, HIDDEN])]);
  const sum = graph.add('Add', [states, linear(graph, joined, 'output', HIDDEN)]);
  const [scale, shift] = [graph.weight('norm.weight', [HIDDEN], 1), graph.weight('norm.bias', [HIDDEN])];
  return graph.layerNormalization(sum, scale, shift, 1e-5);
}

function linear(graph: RandomGraph, input: string, name: string, outputs: number): string {
  const product = graph.add('MatMul', [input, graph.weight(`${name}.weight`, [HIDDEN, outputs])]);
  return graph.add('Add', [product, graph.weight(`${name}.bias`, [outputs])]);
}

function one(graph: RandomGraph): string {
  return graph.constant(1);
}
