// From the weight that a product takes to the tensor that holds it.
import { type NodeProto, type TensorProto, TensorProto_DataType } from '../../../proto/gen/onnx/onnx.ts';
import { shapeOf } from './initializers.ts';
import { type GraphIndex, intAttribute, isOp } from './rewrite.ts';

/** A use of a value on the way from a tensor to a product. */
type Edge = { readonly value: string; readonly user: NodeProto };

export type LayerWeight = {
  readonly tensor: TensorProto;
  /** Whether the tensor is [out, in]; else it is [in, out]. */
  readonly isTransposed: boolean;
  /** Why it holds no numbers that could be added to; undefined where it does. */
  readonly quantization: string | undefined;
  /** Of the numbers that the product takes, and of its input and output. */
  readonly elementType: number;
  /** From the product back to the tensor. */
  readonly edges: readonly Edge[];
};

const FLOATS: readonly number[] = [
  TensorProto_DataType.FLOAT,
  TensorProto_DataType.FLOAT16,
  TensorProto_DataType.BFLOAT16,
  TensorProto_DataType.DOUBLE,
];

/**
 * The tensor of two dimensions behind an input of `product`, through nodes that only look at it another way: Identity, Transpose,
 * Cast, DequantizeLinear. Undefined where there is none.
 */
export function findWeight(index: GraphIndex, product: NodeProto, value: string): LayerWeight | undefined {
  const edges: Edge[] = [];
  let [isTransposed, quantization, elementType] = [false, undefined as string | undefined, 0];
  let [at, user] = [value, product];
  for (let tensor = index.tensor(at); ; tensor = index.tensor(at)) {
    edges.push({ value: at, user });
    if (tensor !== undefined) {
      elementType ||= tensor.dataType ?? 0;
      const isWeight = shapeOf(tensor).length === 2 && FLOATS.includes(elementType);
      return isWeight ? { tensor, isTransposed, quantization, elementType, edges } : undefined;
    }
    const node = index.producer(at);
    if (isOp(node, 'Transpose') && isSwap(node)) isTransposed = !isTransposed;
    else if (isOp(node, 'Cast')) elementType ||= intAttribute(node, 'to', 0);
    else if (isOp(node, 'DequantizeLinear')) {
      quantization = 'DequantizeLinear';
      elementType ||= dequantizedType(index, node);
    } else if (!isOp(node, 'Identity')) return undefined;
    [at, user] = [node.input[0], node];
  }
}

/** Without `perm` it reverses the dimensions. */
function isSwap({ attribute }: NodeProto): boolean {
  const perm = attribute.find(({ name }) => name === 'perm')?.ints;
  return perm === undefined || perm.join() === '1,0';
}

function dequantizedType(index: GraphIndex, node: NodeProto): number {
  return intAttribute(node, 'output_dtype', index.tensor(node.input[1])?.dataType ?? 0);
}
