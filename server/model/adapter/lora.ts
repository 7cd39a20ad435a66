// Low-rank adapters (Hu et al. 2021, arXiv 2106.09685): y = W x + (alpha / r) B A x, where a run trains A and B and the model's own
// weights stay as they are, in whatever form.
import { invalid } from '../../errors.ts';
import type { ModelGraph } from '../graph/graph.ts';
import { checkOpset, GraphIndex } from '../graph/rewrite.ts';
import { floatTensor, toParameter, withNodes } from '../graph/rewrite-tensors.ts';
import { firstA } from './lora-init.ts';
import { findLayers, type Layer } from './lora-layers.ts';
import { adapterNodes } from './lora-nodes.ts';
import { chooseLayers } from './lora-targets.ts';

export type LoraOptions = {
  readonly rank: number;
  /** The adapter's product is multiplied with alpha / rank, so that a rate does for every rank. */
  readonly alpha: number;
  /** Patterns of names of weights, nodes or modules; none means queries and values, or all layers. */
  readonly targets: readonly string[];
  /** What A is drawn from; uint64. */
  readonly seed: bigint;
};

/** Plain data: it crosses threads. */
export type LoraAdapter = {
  /** The initializer A, [rank, inputs], `query.lora_A.weight`. */
  readonly a: string;
  /** The initializer B, [outputs, rank], `query.lora_B.weight`. */
  readonly b: string;
  readonly rank: number;
  readonly inputs: number;
  readonly outputs: number;
  /** alpha / rank */
  readonly scale: number;
  /** The layers that share it (`Layer.id`): one as a rule, one a branch in a merged decoder. */
  readonly layers: readonly string[];
};

export type WithLora = { readonly graph: ModelGraph; readonly adapters: readonly LoraAdapter[] };

/** Broadcasting as we use it. */
const OPSET_MIN = 7n;

/**
 * The model with adapters whose B is zero, so that it answers as before. They are initializers like any other, float32 whatever
 * the model's type is. Layers that share a weight share an adapter: they are one module, and can be merged into one weight again.
 * @throws ZerothError invalid-argument on `lora.rank`, `lora.alpha` or `lora.targets`.
 */
export function withLora(graph: ModelGraph, options: LoraOptions): WithLora {
  const { alpha, rank, seed } = options;
  if (!(Math.fround(alpha) > 0) || !Number.isFinite(Math.fround(alpha)))
    throw invalid('lora.alpha', 'a positive number of float32', String(alpha));
  checkOpset(graph, 'lora', OPSET_MIN);
  const index = new GraphIndex(graph.proto.graph);
  const chosen = chooseLayers(graph, findLayers(index), options);
  const groups = [...Map.groupBy(chosen, sharedBy).values()];
  const placed = groups.map((layers) => ({ layers, adapter: toAdapter(index, layers, options) }));
  const adapters = placed.map(({ adapter }) => adapter);
  const tensors = adapters.flatMap(({ a, b, inputs, outputs }, i) => [
    floatTensor(a, [rank, inputs], firstA({ seed, adapter: i, rank, inputs })),
    floatTensor(b, [outputs, rank], new Float32Array(outputs * rank)),
  ]);
  const proto = withNodes(graph.proto, adapterNodes(graph.proto.graph, index, placed), tensors);
  const parameters = [...graph.parameters, ...tensors.map(toParameter)];
  return { graph: { ...graph, parameters, proto }, adapters };
}

/** What makes two products one and the same function of their input, but for the bias. */
function sharedBy({ weight, factor }: Layer): string {
  return JSON.stringify([weight.tensor.name, weight.isTransposed, factor]);
}

function toAdapter(index: GraphIndex, layers: readonly Layer[], { rank, alpha }: LoraOptions): LoraAdapter {
  const [{ module, inputs, outputs }] = layers;
  const namesOf = (name: string) => [`${name}.lora_A.weight`, `${name}.lora_B.weight`];
  let name = module;
  for (let i = 2; index.hasAny(namesOf(name)); i++) name = `${module}_${i}`;
  const [a, b] = namesOf(name).map((each) => index.free(each));
  return { a, b, rank, inputs, outputs, scale: alpha / rank, layers: layers.map(({ id }) => id) };
}
