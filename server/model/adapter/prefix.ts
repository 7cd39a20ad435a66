// Prefixes (Li and Liang 2021, arXiv 2101.00190): keys and values that every layer attends to as if tokens stood in front of a row's own.
// A past is just that, so that they take the place of the empty one in models that have a past.
import type { NodeProto, TensorProto } from '../../../proto/gen/onnx/onnx.ts';
import { invalid } from '../../errors.ts';
import { describe, elementCount } from '../../tensor.ts';
import type { InputSpec, ModelGraph } from '../graph/graph.ts';
import { checkOpset, GraphIndex, withEachNode, withNames } from '../graph/rewrite.ts';
import { floatTensor, toParameter, withNodes } from '../graph/rewrite-tensors.ts';
import { FrontWriter } from './front-writer.ts';
import { withLongerInput, withLongerShapes, withoutInnerShapes } from './longer-shapes.ts';
import { firstTokens } from './prompt-init.ts';
import { checkTokens, findSequenceInputs, OPSET_MIN, type SequenceInputs } from './sequence.ts';

export type PrefixOptions = {
  readonly tokens: number;
  /** What it is drawn from; uint64. */
  readonly seed: bigint;
};

export type WithPrefix = {
  readonly graph: ModelGraph;
  /** The initializers of the prefix: `prefix.0.key`, [1, heads, tokens, size], and so on. */
  readonly tensors: readonly string[];
};

/** A past, and the tensor in its place. */
type Placed = { readonly past: InputSpec; readonly tensor: TensorProto };

/**
 * The model with a prefix before every row, float32 whatever the model's type is, and without inputs for a past. What comes out of it for
 * the tokens of a row is of these alone, but that a `present` is that of the prefix too.
 * @throws ZerothError invalid-argument on `prefix` or `prefix.tokens`.
 */
export function withPrefix(graph: ModelGraph, { tokens, seed }: PrefixOptions): WithPrefix {
  checkTokens('prefix', tokens);
  checkOpset(graph, 'prefix', OPSET_MIN);
  const inputs = findSequenceInputs(graph, 'prefix');
  const own = graph.proto.graph;
  const index = new GraphIndex(own);
  if (inputs.pasts.length === 0)
    throw invalid(
      'prefix',
      'a model with inputs for a past ("past_key_values.0.key"), exported with one; a prompt needs none',
      'one without',
    );
  const placed = inputs.pasts.map((past, tensor) => {
    const [name, shape] = [nameFor(past, index), shapeFor(past, inputs, tokens)];
    return {
      past,
      tensor: floatTensor(name, shape, firstTokens('prefix', { seed, tensor, length: elementCount(shape) })),
    };
  });
  const tensors = placed.map(({ tensor }) => tensor);
  const writer = new FrontWriter(index, '/prefix', inputs.ids.name, tokens);
  const values = valuesOf(writer, inputs, placed);
  const { node } = withEachNode(own, (each): NodeProto[] => [withNames(each, 'input', values)]);
  const isGone = (name = '') => [...inputs.pasts, inputs.useCache].some((each) => each?.name === name);
  const input = own.input.filter(({ name }) => !isGone(name));
  const nodes = [...writer.nodes, ...node];
  const shaped = withLongerShapes(withoutInnerShapes({ ...own, input, node: nodes }), inputs);
  return {
    graph: {
      ...graph,
      inputs: graph.inputs
        .filter(({ name }) => !isGone(name))
        .map((each) => withLongerInput(each, inputs, tokens)),
      parameters: [...graph.parameters, ...tensors.map(toParameter)],
      proto: withNodes({ ...graph.proto, graph: shaped }, shaped.node, tensors),
    },
    tensors: tensors.map(({ name }) => name!),
  };
}

/** `past_key_values.0.key` to `prefix.0.key`. */
function nameFor({ name }: InputSpec, index: GraphIndex): string {
  const wanted = name.replace(/^past(_key_values)?[._]/, 'prefix.');
  if (!index.hasAny([wanted])) return wanted;
  throw invalid('prefix', `a model in which nothing is called "${wanted}" yet`, 'one with that');
}

/** [1, heads, tokens, size]: what is the same for all rows has one. */
function shapeFor(past: InputSpec, { ids }: SequenceInputs, tokens: number): number[] {
  const [rows, ...others] = past.shape;
  const [name = '', rowsName = ''] = [past, ids].map(({ dimensionNames }) => dimensionNames?.[0]);
  const isByRow = rows === -1 && (name === '' || rowsName === '' || name === rowsName);
  if (isByRow && others.filter((size) => size < 1).length === 1)
    return [1, ...others.map((size) => (size < 1 ? tokens : size))];
  const expected = 'a past of which rows and length alone are free, [rows, heads, past, size]';
  throw invalid('prefix', expected, `"${past.name}", which is ${describe(past)}`);
}

/** What stands for each input within the graph. */
function valuesOf(
  writer: FrontWriter,
  { masks, positions, useCache }: SequenceInputs,
  placed: readonly Placed[],
): Map<string, string> {
  const values = new Map<string, string>();
  for (const mask of masks)
    values.set(
      mask.name,
      writer.lengthen(mask, () => 1),
    );
  for (const each of positions) values.set(each.name, writer.moveOn(each));
  for (const { past, tensor } of placed) {
    const name = tensor.name!;
    const typed = past.dataType === 'float32' ? name : writer.cast(name, past.dataType);
    values.set(past.name, writer.forEachRow(typed, past.shape.length));
  }
  if (useCache !== undefined) values.set(useCache.name, writer.cast(writer.int64(useCache.shape, 1), 'bool'));
  return values;
}
