// Soft prompts (Lester et al. 2021, arXiv 2104.08691): vectors that stand in front of the embedded tokens of every row, and are what a run
// trains. The graph gets ids that are as much longer, and what it looks up for those in front gives way to the prompt; masks, positions
// and whatever else it counts are right by themselves then.
import type { GraphProto, NodeProto, ValueInfoProto } from '../../../proto/gen/onnx/onnx.ts';
import { TensorProto_DataType } from '../../../proto/gen/onnx/onnx.ts';
import { invalid } from '../../errors.ts';
import type { InputSpec, ModelGraph } from '../graph/graph.ts';
import { checkOpset, GraphIndex, withEachNode, withNames } from '../graph/rewrite.ts';
import { floatTensor, toParameter, withNodes } from '../graph/rewrite-tensors.ts';
import { FrontWriter } from './front-writer.ts';
import { withDimensions, withLongerInput, withLongerShapes, withoutInnerShapes } from './longer-shapes.ts';
import { embeddingsOf, firstTokens } from './prompt-init.ts';
import { findLookups, type Lookups } from './prompt-lookup.ts';
import { withTokensAlone } from './prompt-outputs.ts';
import { checkTokens, findSequenceInputs, OPSET_MIN, type SequenceInputs } from './sequence.ts';

export type PromptOptions = {
  readonly tokens: number;
  /** Tokens of the model whose embeddings the prompt starts from; none means that it is drawn. */
  readonly initTokens: readonly number[];
  /** What it is drawn from; uint64. */
  readonly seed: bigint;
};

const WEIGHT = 'prompt.weight';

/** The initializer of a prompt: [tokens, width]. */
export const promptTensors: readonly string[] = [WEIGHT];

/**
 * The model with a prompt in front of every row: float32, whatever the model's type is. It takes what it took, but that a past has to be
 * empty; its outputs with something for each token have it for those that were sent; a `present` is that of the prompt, too.
 * @throws ZerothError invalid-argument on `prompt`, `prompt.tokens` or `prompt.init_tokens`.
 */
export function withPrompt(graph: ModelGraph, { tokens, initTokens, seed }: PromptOptions): ModelGraph {
  checkTokens('prompt', tokens);
  if (initTokens.length > 0 && initTokens.length !== tokens)
    throw invalid('prompt.init_tokens', `none, or one for each of ${tokens} tokens`, `${initTokens.length}`);
  checkOpset(graph, 'prompt', OPSET_MIN);
  const inputs = findSequenceInputs(graph, 'prompt');
  const own = graph.proto.graph;
  const index = new GraphIndex(own);
  if (index.hasAny([WEIGHT]))
    throw invalid('prompt', `a model in which nothing is called "${WEIGHT}" yet`, 'one with that');
  const lookups = findLookups(own, inputs.ids.name);
  const [lookup] = lookups.all;
  const values =
    initTokens.length > 0
      ? embeddingsOf(lookup, graph.files, initTokens)
      : firstTokens('prompt', { seed, tensor: 0, length: tokens * lookup.width });
  const tensor = floatTensor(WEIGHT, [tokens, lookup.width], values);
  const writer = new FrontWriter(index, '/prompt', inputs.ids.name, tokens);
  const node = promptNodes(own, { index, inputs, lookups, writer });
  const withPasts = { ...own, input: own.input.map((value) => withEmptyPast(value, inputs)) };
  const shaped = withLongerShapes(withoutInnerShapes({ ...withPasts, node }), inputs);
  return {
    ...graph,
    inputs: graph.inputs.map((input) => toInput(input, inputs, tokens)),
    parameters: [...graph.parameters, toParameter(tensor)],
    proto: withNodes({ ...graph.proto, graph: shaped }, shaped.node, [tensor]),
  };
}

type Place = {
  readonly index: GraphIndex;
  readonly inputs: SequenceInputs;
  readonly lookups: Lookups;
  readonly writer: FrontWriter;
};

/** All nodes of the graph in an order that runs. */
function promptNodes(graph: GraphProto, { index, inputs, lookups, writer }: Place): NodeProto[] {
  const longer = longerInputs(writer, inputs, lookups.neutral);
  const prompts = new Map<number, string>();
  for (const { elementType } of lookups.all)
    if (!prompts.has(elementType)) prompts.set(elementType, promptOf(writer, elementType));
  const first = writer.nodes.splice(0);
  const { node } = withEachNode(graph, (each) => {
    const lookup = lookups.all.find(({ last }) => last === each);
    const reading = withNames(each, 'input', longer);
    if (lookup === undefined) return [reading];
    const [output] = each.output;
    const embedded = index.free(`${output}.without_prompt`);
    const tokensOnly = writer.behind(embedded, [1]);
    writer.add('Concat', [prompts.get(lookup.elementType)!, tokensOnly], { axis: 1 }, output);
    return [{ ...reading, output: [embedded] }, ...writer.nodes.splice(0)];
  });
  return [...first, ...withTokensAlone({ ...graph, node }, { index, ids: inputs.ids, writer })];
}

/** What stands for each input within the graph. */
function longerInputs(
  writer: FrontWriter,
  { ids, masks, types, positions }: SequenceInputs,
  neutral: number,
): Map<string, string> {
  return new Map([
    [ids.name, writer.lengthen(ids, () => neutral)] as const,
    ...masks.map((mask) => [mask.name, writer.lengthen(mask, () => 1)] as const),
    ...types.map((type) => [type.name, writer.lengthen(type, () => 0)] as const),
    ...positions.map((each) => {
      const moved = writer.moveOn(each);
      return [each.name, writer.lengthen(each, (place) => place, moved)] as const;
    }),
  ]);
}

/** [rows, tokens, width] */
function promptOf(writer: FrontWriter, elementType: number): string {
  const isFloat = elementType === TensorProto_DataType.FLOAT;
  const prompt = isFloat ? WEIGHT : writer.add('Cast', [WEIGHT], { to: elementType });
  return writer.forEachRow(prompt, 3);
}

function toInput(input: InputSpec, inputs: SequenceInputs, tokens: number): InputSpec {
  if (!inputs.pasts.includes(input)) return withLongerInput(input, inputs, tokens);
  return { ...input, shape: input.shape.map((size, i) => (i > 0 ? Math.max(0, size) : size)) };
}

/** The graph takes no other: its place would be in front of the prompt. */
function withEmptyPast(value: ValueInfoProto, { pasts }: SequenceInputs): ValueInfoProto {
  if (!pasts.some(({ name }) => name === value.name)) return value;
  return withDimensions(value, (all) =>
    all.map((each, i) => (i > 0 && (each.dimValue ?? 0n) === 0n ? { dimValue: 0n } : each)),
  );
}
