// Reads an ONNX file: what a batch must bring, what comes out, and which tensors it carries.

import type {
  GraphProto,
  TensorProto,
  TensorShapeProto,
  ValueInfoProto,
} from '../../../proto/gen/onnx/onnx.ts';
import { ModelProto } from '../../../proto/gen/onnx/onnx.ts';
import { invalid, ZerothError } from '../../errors.ts';
import { elementTypeName, findDataType } from '../../onnx/element-types.ts';
import { type TensorSpec, tensorBytes } from '../../tensor.ts';
import { aliasesOf } from './alias.ts';
import { type ExternalFiles, findExternalConstant, locationsOf } from './external.ts';
import { shapeOf, whyUntrainable } from './initializers.ts';
import { withLiftedConstants, withTiedTransposes } from './lift.ts';
import { type Limit, limitsOf } from './limits.ts';

/** An initializer of the graph. */
export type Parameter = TensorSpec & {
  readonly bytes: number;
  /** What it may be selected by beside its name, where that is an exporter's invention (alias.ts). */
  readonly alias?: string;
  /** Whether a run may select it: float32, finite, and not empty. */
  readonly trainable: boolean;
};

export type InputSpec = TensorSpec & {
  /** What the graph calls its dimensions: equal names are equal sizes, "" is none. */
  readonly dimensionNames?: readonly string[];
  /** Of integers that the graph looks up. */
  readonly limits?: readonly Limit[];
};

export type ModelGraph = {
  /** What a batch must bring. A dimension of -1 is free; an empty shape is one that is not known. */
  readonly inputs: readonly InputSpec[];
  /** The outputs that are tensors of numbers; shapes as of the inputs. */
  readonly outputs: readonly TensorSpec[];
  /** In the order of the graph; without those of an element type that we do not pass on. */
  readonly parameters: readonly Parameter[];
  /** Where values lie that are not in the model's own file. */
  readonly files: ExternalFiles | undefined;
  /** The names of these files, sorted. */
  readonly locations: readonly string[];
  /** The graph itself, for this room alone. */
  readonly proto: ModelProto & { readonly graph: GraphProto };
};

/**
 * @param files What lies beside the model's own file, if that is known.
 * @throws ZerothError invalid-argument on `path` where the bytes are no model that we can hold.
 */
export function readModel(bytes: Uint8Array, files?: ExternalFiles): ModelGraph {
  const decoded = decode(bytes);
  const graph = withTiedTransposes(withLiftedConstants(decoded.graph), files);
  const proto = { ...decoded, graph };
  const aliases = aliasesOf(graph);
  const { initializer, input, output } = proto.graph;
  const external = findExternalConstant(decoded);
  if (external !== undefined) throw externalConstant(external);
  const names = new Set<string>();
  for (const tensor of initializer) checkInitializer(tensor, names);
  const limits = limitsOf(graph);
  return {
    inputs: input
      .filter(({ name }) => !names.has(name ?? ''))
      .map((value) => withLimits(toInput(value), limits)),
    outputs: output.map(toSpec).filter((spec) => spec !== undefined),
    parameters: initializer
      .map((tensor) => toParameter(tensor, files, aliases))
      .filter((parameter) => parameter !== undefined),
    files,
    locations: locationsOf(proto.graph),
    proto,
  };
}

function decode(bytes: Uint8Array): ModelGraph['proto'] {
  if (bytes.byteLength === 0) throw notOnnx('an empty file');
  let proto: ModelProto;
  try {
    proto = ModelProto.decode(bytes);
  } catch (error) {
    const message = 'path: expected an ONNX model, got bytes that do not decode as one (truncated?)';
    throw new ZerothError('invalid-argument', message, { field: 'path' }, error);
  }
  const { graph } = proto;
  if (graph === undefined || graph.node.length === 0) throw notOnnx('bytes without a graph');
  if (proto.opsetImport.length === 0) throw notOnnx('a graph without an opset (the file may be truncated)');
  return { ...proto, graph };
}

function notOnnx(got: string): ZerothError {
  return invalid('path', 'an ONNX model', got);
}

function externalConstant(tensor: string): ZerothError {
  return invalid(
    'path',
    'constants of nodes with their values',
    `"${tensor}", which keeps them in another file`,
  );
}

function checkInitializer(tensor: TensorProto, names: Set<string>): void {
  const name = tensor.name ?? '';
  if (name === '') throw invalid('path', 'a name for every initializer', 'one without');
  if (names.has(name)) throw invalid('path', 'initializers of different names', `two called "${name}"`);
  if (tensor.dims.some((dimension) => dimension < 0n))
    throw invalid('path', `dimensions of 0 or more for tensor "${name}"`, `[${tensor.dims.join(', ')}]`);
  names.add(name);
}

function toParameter(
  tensor: TensorProto,
  files: ExternalFiles | undefined,
  aliases: ReadonlyMap<string, string>,
): Parameter | undefined {
  const dataType = findDataType(tensor.dataType ?? 0);
  if (dataType === undefined) return undefined;
  const spec = { name: tensor.name ?? '', dataType, shape: shapeOf(tensor) };
  const alias = aliases.get(spec.name);
  return {
    ...spec,
    ...(alias !== undefined && { alias }),
    bytes: tensorBytes(spec),
    trainable: whyUntrainable(tensor, files) === undefined,
  };
}

function toInput(value: ValueInfoProto): InputSpec {
  const spec = toSpec(value);
  const dimensions = value.type?.tensorType?.shape?.dim ?? [];
  if (spec !== undefined) return { ...spec, dimensionNames: dimensions.map(({ dimParam = '' }) => dimParam) };
  const elementType = value.type?.tensorType?.elemType;
  const kind = elementType === undefined ? 'no tensor' : `a tensor of ${elementTypeName(elementType)}`;
  throw invalid('path', 'inputs that are tensors of numbers', `input "${value.name}", which is ${kind}`);
}

function withLimits(input: InputSpec, limits: ReadonlyMap<string, readonly Limit[]>): InputSpec {
  const own = input.dataType === 'int64' || input.dataType === 'int32' ? limits.get(input.name) : undefined;
  return own === undefined ? input : { ...input, limits: own };
}

function toSpec(value: ValueInfoProto): TensorSpec | undefined {
  const tensor = value.type?.tensorType;
  const dataType = findDataType(tensor?.elemType ?? 0);
  return dataType && { name: value.name ?? '', dataType, shape: dimensions(tensor?.shape) };
}

/** Some exporters write 0 for a dimension that is free. */
function dimensions(shape: TensorShapeProto | undefined): number[] {
  return (shape?.dim ?? []).map(({ dimValue = 0n }) => (dimValue > 0n ? Number(dimValue) : -1));
}
