// The layers of a model that an adapter can be put at, by names that people know them by.
import type { NodeProto } from '../../../proto/gen/onnx/onnx.ts';
import { elementCount } from '../../tensor.ts';
import { scopeOf } from '../graph/alias.ts';
import { shapeOf } from '../graph/initializers.ts';
import { isAnonymous } from '../graph/lift.ts';
import { type Product, readProduct, type Unreadable } from '../graph/products.ts';
import { type GraphIndex, isOp } from '../graph/rewrite.ts';

/** A product with its bias, if it has one: what a module of a framework is. */
export type Layer = Product & {
  /** Which it is: its output, behind the place of its graph where that is a branch. Branches have values of the same names. */
  readonly id: string;
  /** What the module was called, as far as the file tells: `encoder.layer.0.attention.self.query`. */
  readonly module: string;
  /** All that it can be selected by: the names of its weight, its node and its module, and what the module's weight would be called. */
  readonly names: readonly string[];
};

export type Layers = { readonly layers: readonly Layer[]; readonly unreadable: readonly Unreadable[] };

/**
 * In the order of the graph, then those of its subgraphs: both branches of a merged decoder have the same layers, whose weights lie outside of
 * them. Functions are not looked into.
 * @param model Of the main graph.
 */
export function findLayers(model: GraphIndex): Layers {
  const layers: Layer[] = [];
  const unreadable: Unreadable[] = [];
  for (const { index, nodes, place } of model.scopes())
    for (const node of nodes) {
      const product = readProduct(index, node);
      if (product === undefined) continue;
      if ('why' in product) unreadable.push(product);
      else if (!isAdapter(product)) layers.push(named(index, place, withBias(index, product)));
    }
  return { layers, unreadable };
}

/** Adapters of an earlier run, in a file that was exported with them, are no layers. */
function isAdapter({ weight }: Product): boolean {
  return /\.lora_[AB](_\d+)?\.weight$/.test(weight.tensor.name ?? '');
}

/**
 * An adapter is added behind the bias: ONNX Runtime then still sees the product and its bias side by side, fuses them as it does
 * in the file, and rounds as it does there.
 */
function withBias(index: GraphIndex, product: Product): Product {
  const add = index.onlyUser(product.output);
  if (product.bias !== '' || !isOp(add, 'Add')) return product;
  const bias = add.input.find((name) => name !== product.output) ?? '';
  const tensor = index.tensor(bias);
  if (tensor === undefined) return product;
  const shape = shapeOf(tensor);
  if (shape.at(-1) !== product.outputs || elementCount(shape) !== product.outputs) return product;
  return { ...product, output: add.output[0], last: add, bias };
}

function named(index: GraphIndex, place: string, product: Product): Layer {
  const [weight, node] = [product.weight.tensor.name ?? '', product.node.name ?? ''];
  const module = moduleOf(index, product);
  return {
    ...product,
    id: `${place}${product.output}`,
    module,
    names: [...new Set([weight, node, module, `${module}.weight`])].filter((name) => name !== ''),
  };
}

/**
 * What tools put behind the name of a weight: quantizers `_quantized` (onnxruntime) and `_Q4` (its MatMulNBits), optimum's merging of decoders
 * `_merged_0`.
 */
const SUFFIXES = /(_Transposed)?(_merged_\d+)?(_quantized|_DQ)?(_Q\d\w*)?$/;

/**
 * From the weight's name, or the module that PyTorch's exporter notes, the bias's name, the path that is the node's name: each is
 * missing from the files of some exporter. A weight that comes through other nodes may be another module's, as tied embeddings are;
 * a bias of several layers is any of theirs: exporters keep one of equal tensors.
 */
function moduleOf(index: GraphIndex, { weight, bias, node, output }: Product): string {
  const tensor = (weight.tensor.name ?? '').replace(SUFFIXES, '');
  const byWeight = /^(.+?)(\.MatMul)?\.weight$/.exec(tensor)?.[1];
  const byBias = index.users(bias).length === 1 ? /^(.+)[._]bias$/.exec(bias)?.[1] : undefined;
  const byTensor = isAnonymous(tensor) ? undefined : tensor;
  const own = weight.edges.length === 1 ? byWeight : undefined;
  const told = own ?? scopeOf(node) ?? byBias ?? pathOf(node) ?? byWeight ?? byTensor;
  return told ?? (node.name || output);
}

/** `/encoder/linear1/MatMul` is of `encoder.linear1`. */
function pathOf({ name = '' }: NodeProto): string | undefined {
  const path = /^\/(.+)\/(MatMul|Gemm)\w*$/.exec(name)?.[1];
  return path?.replaceAll('/', '.');
}
