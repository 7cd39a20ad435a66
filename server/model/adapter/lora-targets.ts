// Which layers get an adapter.
import { invalid, ZerothError } from '../../errors.ts';
import { matchesGlob } from '../graph/glob.ts';
import type { ModelGraph } from '../graph/graph.ts';
import { nearest } from '../graph/nearest.ts';
import type { Unreadable } from '../graph/products.ts';
import { allNodes } from '../graph/rewrite.ts';
import type { Layer, Layers } from './lora-layers.ts';

const FIELD = 'lora.targets';
const HINTS_MAX = 5;

/**
 * What models call the projections of queries and values, alone or together with keys: BERT, RoBERTa, ViT; OPT, Llama, Whisper;
 * DistilBERT; T5; DeBERTa; GPT-2; PyTorch's own attention; NeoX, Bloom; Phi, MPT and others.
 */
const ATTENTION = new Set(
  (
    'query value q_proj v_proj q_lin v_lin q v query_proj value_proj c_attn in_proj ' +
    'query_key_value qkv_proj qkv Wqkv'
  ).split(' '),
);

export type TargetChoice = { readonly targets: readonly string[]; readonly rank: number };

/**
 * The layers that match one of the patterns; without patterns the projections of queries and values, where names tell them, else
 * all layers: those that the rank fits, since a classifier's head of two classes is not what is meant then.
 * @throws ZerothError invalid-argument where a pattern matches no layer, or what it matches cannot have an adapter.
 */
export function chooseLayers(graph: ModelGraph, found: Layers, { targets, rank }: TargetChoice): Layer[] {
  const { layers, unreadable } = found;
  if (layers.length === 0) throw noLayers(unreadable);
  const chosen = targets.length > 0 ? matching(graph, found, targets) : byDefault(layers);
  if (!Number.isSafeInteger(rank) || rank < 1)
    throw invalid('lora.rank', 'an integer of 1 or more', String(rank));
  const wide = chosen.filter(({ inputs, outputs }) => rank <= Math.min(inputs, outputs));
  if (wide.length === chosen.length || (targets.length === 0 && wide.length > 0)) return wide;
  throw tooWide(chosen.find((layer) => !wide.includes(layer))!, rank);
}

function byDefault(layers: readonly Layer[]): Layer[] {
  const attention = layers.filter(({ names }) =>
    names.some((name) => name.split(/[./:]/).some((part) => ATTENTION.has(part))),
  );
  return attention.length > 0 ? attention : [...layers];
}

function matching(graph: ModelGraph, { layers, unreadable }: Layers, targets: readonly string[]): Layer[] {
  const matches = (names: readonly string[], pattern: string) =>
    names.some((name) => matchesGlob(pattern, name));
  for (const each of unreadable)
    for (const pattern of targets)
      if (matches([each.node.name ?? '', each.weight], pattern)) throw refused(each, pattern);
  const idle = targets.filter((pattern) => !layers.some(({ names }) => matches(names, pattern)));
  if (idle.length > 0) throw matchesNothing(graph, layers, idle);
  return layers.filter(({ names }) => targets.some((pattern) => matches(names, pattern)));
}

function noLayers(unreadable: readonly Unreadable[]): ZerothError {
  const kinds = 'MatMul, Gemm, MatMulNBits or MatMulInteger nodes with a weight of two dimensions';
  const got = unreadable.length === 0 ? 'none' : `${unreadable.map(describe).join(', ')} only`;
  return invalid(FIELD, `a model with ${kinds}`, got);
}

function refused(each: Unreadable, pattern: string): ZerothError {
  return invalid(
    FIELD,
    'patterns of layers that can have an adapter',
    `"${pattern}" (matches ${describe(each)})`,
  );
}

function describe({ node, weight, why }: Unreadable): string {
  return `${node.opType} "${node.name || weight}": ${why}`;
}

/** One message for all of them: what each one does match, if anything, and names that may be meant. */
function matchesNothing(
  { proto }: ModelGraph,
  layers: readonly Layer[],
  idle: readonly string[],
): ZerothError {
  const { initializer, node } = proto.graph;
  const others = [...initializer, ...allNodes(node)].map(({ name = '' }) => name);
  const got = idle.map((pattern) => {
    const other = others.find((name) => name !== '' && matchesGlob(pattern, name));
    return `"${pattern}" (matches ${other === undefined ? 'nothing' : `"${other}", which is no such layer`})`;
  });
  const names = [...new Set(layers.flatMap((layer) => layer.names))];
  const hints = nearest(idle[0].replaceAll('*', ''), names, HINTS_MAX).map((name) => `"${name}"`);
  const hint = `names of the ${layers.length} there are: ${hints.join(', ')}${names.length > hints.length ? ', ...' : ''}`;
  const message = `${FIELD}: expected patterns that match MatMul or Gemm nodes, or their weights, got ${got.join(' and ')}; ${hint}`;
  return new ZerothError('invalid-argument', message, { field: FIELD });
}

function tooWide({ names, inputs, outputs }: Layer, rank: number): ZerothError {
  const most = Math.min(inputs, outputs);
  const layer = `"${names[0]}" from ${inputs} to ${outputs}`;
  return invalid('lora.rank', `an integer from 1 to ${most}, the smaller side of ${layer}`, String(rank));
}
