// The graph that a run is of: its model's own, or that with adapters in it.
import type { LoraRecord } from '../journal/journal.ts';
import type { ModelGraph, Parameter } from '../model/graph.ts';
import { type LoraAdapter, type WithLora, withLora } from '../model/lora.ts';
import { mergeLora } from '../model/lora-merge.ts';
import { initialValues } from '../model/promote.ts';
import { selectTrainable, trainableNamed } from '../model/select.ts';
import type { TrainableChoice } from './messages.ts';

/** @throws ZerothError invalid-argument where the model cannot have these adapters. */
export function toRunGraph(graph: ModelGraph, lora: LoraRecord | undefined): WithLora {
  return lora === undefined ? { graph, adapters: [] } : withLora(graph, { ...lora, seed: BigInt(lora.seed) });
}

/** Adapters alone, where there are some and no pattern says what is trained. */
export function chooseTrainable({ graph, adapters }: WithLora, choice: TrainableChoice): Parameter[] {
  if (choice.kind === 'names') return trainableNamed(graph, choice.names);
  const include = choice.include.length > 0 ? choice.include : tensorsOf(adapters);
  return selectTrainable(graph, { ...choice, include });
}

/** Runs of equal keys can share a session: the same weights are its inputs, and the rest of the graph is the same. */
export function sessionKey(
  names: readonly string[],
  adapters: readonly LoraAdapter[],
  lora: LoraRecord | undefined,
): string {
  // Where all of what a seed draws is an input, it does not matter.
  const isSeedless = tensorsOf(adapters).every((name) => names.includes(name));
  return JSON.stringify([names, lora && { ...lora, seed: isSeedless ? '' : lora.seed }]);
}

/** The tuned model without adapters; as withWeights has it where there are none. */
export function mergedFile(
  graph: ModelGraph,
  lora: LoraRecord | undefined,
  values: ReadonlyMap<string, Float32Array>,
): Uint8Array {
  const adapted = toRunGraph(graph, lora);
  // Of the others B is zero still. An A that is not trained is as it was drawn.
  const trained = adapted.adapters.filter(({ b }) => values.has(b));
  const frozen = trained.filter(({ a }) => !values.has(a));
  const drawn = frozen.map(({ a }) => [a, initialValues(adapted.graph, a)] as const);
  return mergeLora(graph, trained, new Map([...values, ...drawn]));
}

function tensorsOf(adapters: readonly LoraAdapter[]): string[] {
  return adapters.flatMap(({ a, b }) => [a, b]);
}
