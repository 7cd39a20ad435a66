// Weights that exporters have put where nobody looks for them: values of Constant nodes, and the transposed copy that is all that is left
// of a tied embedding. Both become what they were, initializers that are trained, and trained once.
import type { GraphProto, NodeProto, TensorProto } from '../../../proto/gen/onnx/onnx.ts';
import { AttributeProto_AttributeType, TensorProto_DataType } from '../../../proto/gen/onnx/onnx.ts';
import { elementCount } from '../../tensor.ts';
import { type ExternalFiles, placeOf } from './external.ts';
import { endsOf, floatValues, shapeOf } from './initializers.ts';

/** Which inputs of an operator are weights: what else is constant are scales, masks and tables, which are no business of a training. */
const WEIGHT_INPUTS: Readonly<Record<string, readonly number[]>> = {
  MatMul: [1],
  Gemm: [1, 2],
  Conv: [1, 2],
  Gather: [0],
  LayerNormalization: [1, 2],
};

/** The graph with float32 Constant nodes that feed weight inputs as initializers of the same names. */
export function withLiftedConstants(graph: GraphProto): GraphProto {
  const used = new Set(graph.node.flatMap(weightInputs));
  const lifted = new Map<NodeProto, TensorProto>();
  for (const node of graph.node) {
    const tensor =
      node.opType === 'Constant' ? node.attribute.find(({ name }) => name === 'value')?.t : undefined;
    if (tensor?.dataType !== TensorProto_DataType.FLOAT || tensor.dims.length === 0) continue;
    if (used.has(node.output[0])) lifted.set(node, { ...tensor, name: node.output[0] });
  }
  if (lifted.size === 0) return graph;
  return {
    ...graph,
    node: graph.node.filter((node) => !lifted.has(node)),
    initializer: [...graph.initializer, ...lifted.values()],
  };
}

/**
 * The graph without initializers that are another one's transpose, value by value, and whose names an exporter has made up: tied weights that
 * constant folding has parted. Their uses transpose the other one, which ONNX Runtime fuses into the product.
 */
export function withTiedTransposes(graph: GraphProto, files: ExternalFiles | undefined): GraphProto {
  const matrices = graph.initializer.filter(
    ({ dims, dataType }) => dims.length === 2 && dataType === TensorProto_DataType.FLOAT,
  );
  const ties = new Map<TensorProto, TensorProto>();
  const ends = new Map<TensorProto, readonly [number, number]>();
  const endsAlike = (...pair: readonly [TensorProto, TensorProto]) => {
    const [a, b] = pair.map((tensor) => {
      const found = ends.get(tensor) ?? endsOf(tensor, files);
      ends.set(tensor, found);
      return found;
    });
    return a.every((value, i) => Object.is(value, b[i]));
  };
  for (const copy of matrices.filter(({ name }) => isAnonymous(name ?? ''))) {
    const original = matrices.find(
      (each) =>
        each !== copy &&
        !ties.has(each) &&
        areTurned(copy, each) &&
        // A decoder of 32 layers has some 30,000 pairs of as many rows as columns, of 64 MiB and more each.
        endsAlike(copy, each) &&
        isTranspose(copy, each, files),
    );
    if (original !== undefined) ties.set(copy, original);
  }
  if (ties.size === 0) return graph;
  return {
    ...graph,
    initializer: graph.initializer.filter((tensor) => !ties.has(tensor)),
    node: [
      ...[...ties].map(([copy, original]) => transpose(original.name ?? '', copy.name ?? '')),
      ...graph.node,
    ],
  };
}

/** `onnx::MatMul_123`, `val_126`, `/layer/Constant_4_output_0`, `123`. */
export function isAnonymous(name: string): boolean {
  return /^(onnx::\w+_\d+|val_\d+|\d+|\/?([\w.]+\/)*Constant(_\d+)?_output_0)(_|$)/.test(name);
}

function weightInputs({ opType = '', input }: NodeProto): string[] {
  return (WEIGHT_INPUTS[opType] ?? [])
    .map((at) => input[at])
    .filter((name) => name !== undefined && name !== '');
}

/** Whether one has as many rows as the other has columns, and more than one of either. */
function areTurned(copy: TensorProto, original: TensorProto): boolean {
  const [rows, columns] = shapeOf(original);
  const [copiedRows, copiedColumns] = shapeOf(copy);
  return rows === copiedColumns && columns === copiedRows && rows > 1 && columns > 1;
}

/** Value by value. */
function isTranspose(copy: TensorProto, original: TensorProto, files: ExternalFiles | undefined): boolean {
  const [a, b] = [copy, original].map((tensor) => placeOf(tensor, 4 * elementCount(shapeOf(tensor)), files));
  const compare = () => areTransposes(copy, original, files);
  if (a === undefined || b === undefined || a.location !== b.location) return compare();
  return files!.about(a.location, `transposes ${a.offset} ${b.offset}`, compare);
}

function areTransposes(copy: TensorProto, original: TensorProto, files: ExternalFiles | undefined): boolean {
  const [rows, columns] = shapeOf(original);
  const [a, b] = [floatValues(original, files), floatValues(copy, files)];
  for (let row = 0; row < rows; row++)
    for (let column = 0; column < columns; column++)
      if (!Object.is(a[row * columns + column], b[column * rows + row])) return false;
  return true;
}

function transpose(from: string, to: string): NodeProto {
  const perm = { name: 'perm', type: AttributeProto_AttributeType.INTS, ints: [1n, 0n] };
  return {
    opType: 'Transpose',
    name: `${to}/Transpose`,
    input: [from],
    output: [to],
    attribute: [
      { ...perm, floats: [], strings: [], tensors: [], graphs: [], sparseTensors: [], typeProtos: [] },
    ],
    metadataProps: [],
    deviceConfigurations: [],
  };
}
