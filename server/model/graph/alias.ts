// A name that a person can select a tensor by where an exporter has made its name up: `onnx::MatMul_295`, which the node
// /encoder/layer.0/attention/q_lin/MatMul multiplies by, is encoder.layer.0.attention.q_lin.weight; of `val_126` the node has a note.
import type { GraphProto, NodeProto } from '../../../proto/gen/onnx/onnx.ts';
import { isAnonymous } from './lift.ts';
import { allNodes } from './rewrite.ts';

/** By operator and input: what modules call this weight of theirs. Whatever else uses a tensor tells nothing of it. */
const PARTS: Readonly<Record<string, Readonly<Record<number, string>>>> = {
  MatMul: { 0: 'weight', 1: 'weight' },
  Gemm: { 1: 'weight', 2: 'bias' },
  Conv: { 1: 'weight', 2: 'bias' },
  Gather: { 0: 'weight' },
  Add: { 0: 'bias', 1: 'bias' },
  MatMulInteger: { 1: 'weight_quantized', 3: 'weight_zero_point' },
  MatMulNBits: { 1: 'weight_Q4', 2: 'weight_scales', 3: 'weight_zero_points' },
  LayerNormalization: { 1: 'weight', 2: 'bias' },
};

/** By the tensor's own name; no two are alike, and none is a name that the graph has. */
export function aliasesOf(graph: GraphProto): ReadonlyMap<string, string> {
  const taken = new Set(graph.initializer.map(({ name = '' }) => name));
  const wanted = new Set([...taken].filter(isAnonymous));
  const aliases = new Map<string, string>();
  for (const node of allNodes(graph.node))
    for (const [at, name] of node.input.entries()) {
      const alias = wanted.has(name) && !aliases.has(name) ? aliasFrom(node, at) : undefined;
      if (alias === undefined || taken.has(alias)) continue;
      taken.add(alias);
      aliases.set(name, alias);
    }
  return aliases;
}

/** `/encoder/layer.0/q_lin/MatMul_quant` to `encoder.layer.0.q_lin.weight`. */
function aliasFrom(node: NodeProto, input: number): string | undefined {
  const { opType = '', name = '' } = node;
  const part = PARTS[opType]?.[input];
  const path = name.split('/').filter((piece) => piece !== '');
  const module = path.length < 2 ? scopeOf(node) : path.slice(0, -1).join('.');
  return part === undefined || module === undefined ? undefined : `${module}.${part}`;
}

/** The module that PyTorch's newer exporter notes: of `['', 'encoder', 'encoder.linear1', 'linear_2']` the one before last. */
export function scopeOf({ metadataProps }: NodeProto): string | undefined {
  const scopes = metadataProps.find(({ key }) => key === 'pkg.torch.onnx.name_scopes')?.value;
  return [...(scopes ?? '').matchAll(/'([^']*)'/g)].at(-2)?.[1] || undefined;
}
