// The graph that a run is of: its model's own, or that with adapters in it and a head behind it.
import type { HeadRecord, LoraRecord } from '../journal/journal.ts';
import type { ModelGraph, Parameter } from '../model/graph.ts';
import { headTensors, withHead } from '../model/head.ts';
import { type LoraAdapter, type WithLora, withLora } from '../model/lora.ts';
import { mergeLora } from '../model/lora-merge.ts';
import { initialValues } from '../model/promote.ts';
import { exportSafetensors } from '../model/safetensors.ts';
import { selectTrainable, trainableNamed } from '../model/select.ts';
import type { TrainableChoice } from './messages.ts';

/** What is put into a model for a run. */
export type Additions = { readonly lora: LoraRecord | undefined; readonly head: HeadRecord | undefined };

type RunGraph = WithLora & {
  /** The head's tensors, if there is one. */
  readonly head: readonly string[];
};

/**
 * Adapters come first: what a head reads has them in it, and the head's own layer, which is trained as it is, is none of those that
 * patterns of layers find.
 * @throws ZerothError invalid-argument where the model cannot have these adapters, or this head.
 */
export function toRunGraph(graph: ModelGraph, { lora, head }: Additions): RunGraph {
  const adapted =
    lora === undefined ? { graph, adapters: [] } : withLora(graph, { ...lora, seed: BigInt(lora.seed) });
  if (head === undefined) return { ...adapted, head: [] };
  const headed = withHead(adapted.graph, { ...head, seed: BigInt(head.seed) });
  return { ...adapted, graph: headed, head: headTensors };
}

/** Adapters and a head alone, where there are adapters and no pattern says what is trained. */
export function chooseTrainable({ graph, adapters, head }: RunGraph, choice: TrainableChoice): Parameter[] {
  if (choice.kind === 'names') return trainableNamed(graph, choice.names);
  const added = adapters.length > 0 ? [...tensorsOf(adapters), ...head] : [];
  const include = choice.include.length > 0 ? choice.include : added;
  return selectTrainable(graph, { ...choice, include });
}

/** Runs of equal keys can share a session: the same weights are its inputs, and the rest of the graph is the same. */
export function sessionKey(
  names: readonly string[],
  { adapters, head: headNames }: RunGraph,
  { lora, head }: Additions,
): string {
  // Where all of what a seed draws is an input, it does not matter.
  const seedless = <T extends { seed: string }>(addition: T | undefined, tensors: readonly string[]) =>
    addition && { ...addition, seed: tensors.every((name) => names.includes(name)) ? '' : addition.seed };
  return JSON.stringify([names, seedless(lora, tensorsOf(adapters)), seedless(head, headNames)]);
}

/** The tuned model without adapters; as withWeights has it where there are none. */
export function mergedFile(
  graph: ModelGraph,
  additions: Additions,
  values: ReadonlyMap<string, Float32Array>,
): Uint8Array {
  const adapted = toRunGraph(graph, additions);
  // Of the others B is zero still. An A that is not trained is as it was drawn.
  const trained = adapted.adapters.filter(({ b }) => values.has(b));
  const frozen = trained.filter(({ a }) => !values.has(a));
  const drawn = frozen.map(({ a }) => [a, initialValues(adapted.graph, a)] as const);
  const headed = toRunGraph(graph, { ...additions, lora: undefined }).graph;
  return mergeLora(headed, trained, new Map([...values, ...drawn]));
}

/** What was trained, alone: of any size. */
export function weightsFile(
  trainable: readonly Parameter[],
  values: ReadonlyMap<string, Float32Array>,
): Uint8Array {
  const tensors = trainable.map((parameter) => {
    const { buffer, byteOffset, byteLength } = values.get(parameter.name)!;
    return { ...parameter, data: new Uint8Array(buffer, byteOffset, byteLength) };
  });
  return exportSafetensors(tensors);
}

function tensorsOf(adapters: readonly LoraAdapter[]): string[] {
  return adapters.flatMap(({ a, b }) => [a, b]);
}
