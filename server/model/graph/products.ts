// The nodes that multiply by a weight, in each of the forms that exporters and quantizers write.
import { type NodeProto, TensorProto_DataType } from '../../../proto/gen/onnx/onnx.ts';
import { shapeOf } from './initializers.ts';
import { findWeight, type LayerWeight } from './product-weight.ts';
import { floatAttribute, type GraphIndex, intAttribute, isOp } from './rewrite.ts';

export type Product = {
  readonly node: NodeProto;
  /** [..., in], of the weight's element type. */
  readonly x: string;
  /** [..., out], and the node that makes it. */
  readonly output: string;
  readonly last: NodeProto;
  readonly weight: LayerWeight;
  readonly inputs: number;
  readonly outputs: number;
  /** What the product is multiplied with within the node. */
  readonly factor: number;
  /** The bias that the node adds itself; '' where it does not. */
  readonly bias: string;
};

/** A product with a weight that an adapter cannot be put at, and what is in the way. */
export type Unreadable = { readonly node: NodeProto; readonly weight: string; readonly why: string };

/** Undefined for every other node. */
export function readProduct(index: GraphIndex, node: NodeProto): Product | Unreadable | undefined {
  if (isOp(node, 'MatMul')) return plain(index, node, { isFlipped: false, factor: 1, bias: '' });
  if (isOp(node, 'Gemm')) return gemm(index, node);
  if (isOp(node, 'MatMulNBits', 'com.microsoft')) return blockwise(index, node);
  if (isOp(node, 'MatMulInteger')) return dynamic(index, node);
  return undefined;
}

type Form = { readonly isFlipped: boolean; readonly factor: number; readonly bias: string };

/** y = factor x W + bias */
function plain(index: GraphIndex, node: NodeProto, { isFlipped, ...form }: Form): Product | undefined {
  const [x, w] = node.input;
  const found = findWeight(index, node, w);
  if (found === undefined) return undefined;
  const weight = { ...found, isTransposed: found.isTransposed !== isFlipped };
  return { node, x, output: node.output[0], last: node, weight, ...sides(weight), ...form };
}

function gemm(index: GraphIndex, node: NodeProto): Product | Unreadable | undefined {
  const form = {
    isFlipped: intAttribute(node, 'transB', 0) !== 0,
    factor: floatAttribute(node, 'alpha', 1),
    bias: node.input[2] ?? '',
  };
  const product = plain(index, node, form);
  if (product === undefined || intAttribute(node, 'transA', 0) === 0) return product;
  return { node, weight: product.weight.tensor.name ?? '', why: 'it transposes its input (transA)' };
}

function sides({ tensor, isTransposed }: LayerWeight): { inputs: number; outputs: number } {
  const [rows, columns] = shapeOf(tensor);
  return isTransposed ? { inputs: columns, outputs: rows } : { inputs: rows, outputs: columns };
}

/** Inputs A, B, scales, zero points, group index, bias; the weight is [N, K] in blocks along K. */
function blockwise(index: GraphIndex, node: NodeProto): Product | Unreadable | undefined {
  const [x, quantized, scales, , , bias = ''] = node.input;
  const tensor = index.tensor(quantized);
  if (tensor === undefined) return undefined;
  const elementType = index.tensor(scales)?.dataType;
  if (elementType === undefined)
    return { node, weight: quantized, why: `its scales "${scales}" are no tensor of the file` };
  const edges = [{ value: quantized, user: node }];
  const weight = { tensor, isTransposed: true, quantization: 'MatMulNBits', elementType, edges };
  const [inputs, outputs] = [intAttribute(node, 'K', 0), intAttribute(node, 'N', 0)];
  return { node, x, output: node.output[0], last: node, weight, inputs, outputs, factor: 1, bias };
}

/**
 * As onnxruntime's quantize_dynamic writes it: DynamicQuantizeLinear(x), MatMulInteger, Cast to float32, and Mul by the product of
 * both scales.
 */
function dynamic(index: GraphIndex, node: NodeProto): Product | Unreadable | undefined {
  const [quantizedX, w] = node.input;
  const tensor = index.tensor(w);
  if (tensor === undefined || shapeOf(tensor).length !== 2) return undefined;
  const unreadable = (why: string) => ({ node, weight: w, why });
  const quantize = index.producer(quantizedX);
  if (!isOp(quantize, 'DynamicQuantizeLinear'))
    return unreadable('its input does not come from DynamicQuantizeLinear');
  const cast = index.onlyUser(node.output[0]);
  if (!isOp(cast, 'Cast') || intAttribute(cast, 'to', 0) !== TensorProto_DataType.FLOAT)
    return unreadable('its output does not go to a Cast to float32 alone');
  const last = index.onlyUser(cast.output[0]);
  if (!isOp(last, 'Mul') || !isScale(index, last, cast.output[0], quantize.output[1]))
    return unreadable('its output is not multiplied by the scales of input and weight alone');
  const edges = [{ value: w, user: node }];
  const elementType = TensorProto_DataType.FLOAT;
  const weight = { tensor, isTransposed: false, quantization: 'MatMulInteger', elementType, edges };
  const output = last.output[0];
  return { node, x: quantize.input[0], output, last, weight, ...sides(weight), factor: 1, bias: '' };
}

/** Whether the other factor of `mul` is the scale of the input times one of the weight. */
function isScale(index: GraphIndex, mul: NodeProto, product: string, inputScale: string): boolean {
  const scale = index.producer(mul.input.find((name) => name !== product) ?? '');
  return isOp(scale, 'Mul') && scale.input.includes(inputScale);
}
