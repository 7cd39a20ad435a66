// The graph that a run is of: its model's own, or that with a prefix and a prompt before it, adapters in it and a head behind it.
import type { Additions } from '../journal/journal.ts';
import { headTensors, withHead } from '../model/adapter/head.ts';
import { type LoraAdapter, type WithLora, withLora } from '../model/adapter/lora.ts';
import { mergeLora } from '../model/adapter/lora-merge.ts';
import { withPrefix } from '../model/adapter/prefix.ts';
import { promptTensors, withPrompt } from '../model/adapter/prompt.ts';
import type { ModelGraph, Parameter } from '../model/graph/graph.ts';
import { initialValues } from '../model/graph/promote.ts';
import { exportSafetensors } from '../model/graph/safetensors.ts';
import { selectTrainable, trainableNamed } from '../model/graph/select.ts';
import type { TrainableChoice } from './messages.ts';

type RunGraph = WithLora & {
  /** The tensors of each addition but for adapters; none of one that there is not. */
  readonly tensors: Readonly<Record<'prefix' | 'prompt' | 'head', readonly string[]>>;
};

/**
 * A prefix comes first, and a prompt behind it. Adapters come before a head: what that reads has them in it, and its own layer, which is
 * trained as it is, is none of those that patterns of layers find.
 * @throws ZerothError invalid-argument where the model cannot have one of these.
 */
export function toRunGraph(graph: ModelGraph, { lora, head, prompt, prefix }: Additions): RunGraph {
  const prefixed = prefix ? withPrefix(graph, seeded(prefix)) : { graph, tensors: [] };
  const prompted = prompt ? withPrompt(prefixed.graph, seeded(prompt)) : prefixed.graph;
  const adapted = lora ? withLora(prompted, seeded(lora)) : { graph: prompted, adapters: [] };
  return {
    graph: head ? withHead(adapted.graph, seeded(head)) : adapted.graph,
    adapters: adapted.adapters,
    tensors: {
      prefix: prefixed.tensors,
      prompt: prompt ? promptTensors : [],
      head: head ? headTensors : [],
    },
  };
}

/** How many tokens the model itself puts in front of a row. */
export function tokensInFront({ prompt, prefix }: Additions): number {
  return (prompt?.tokens ?? 0) + (prefix?.tokens ?? 0);
}

/** Where no pattern says what is trained, all that was added, unless that is a head alone: then it is everything. */
export function chooseTrainable(
  { graph, adapters, tensors }: RunGraph,
  choice: TrainableChoice,
): Parameter[] {
  if (choice.kind === 'names') return trainableNamed(graph, choice.names);
  const apart = [...tensorsOf(adapters), ...tensors.prefix, ...tensors.prompt];
  const added = apart.length > 0 ? [...apart, ...tensors.head] : [];
  const include = choice.include.length > 0 ? choice.include : added;
  return selectTrainable(graph, { ...choice, include });
}

/** Runs of equal keys can share a session: the same weights are its inputs, and the rest of the graph is the same. */
export function sessionKey(
  names: readonly string[],
  { adapters, tensors }: RunGraph,
  { lora, head, prompt, prefix }: Additions,
): string {
  // Where all of what a seed draws is an input, it does not matter.
  const seedless = <T extends { seed: string }>(addition: T | undefined, of: readonly string[]) =>
    addition && { ...addition, seed: of.every((name) => names.includes(name)) ? '' : addition.seed };
  return JSON.stringify([
    names,
    seedless(lora, tensorsOf(adapters)),
    seedless(head, tensors.head),
    seedless(prompt, tensors.prompt),
    seedless(prefix, tensors.prefix),
  ]);
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
  const others = toRunGraph(graph, { ...additions, lora: undefined }).graph;
  return mergeLora(others, trained, new Map([...values, ...drawn]));
}

/** Records have seeds in decimal. */
function seeded<T extends { readonly seed: string }>(record: T): Omit<T, 'seed'> & { readonly seed: bigint } {
  return { ...record, seed: BigInt(record.seed) };
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
