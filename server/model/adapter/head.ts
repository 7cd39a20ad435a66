// A classification head that is put behind an encoder: states of tokens are pooled, and one linear layer, new and drawn from a seed,
// scores the classes.
import type { ValueInfoProto } from '../../../proto/gen/onnx/onnx.ts';
import { invalid } from '../../errors.ts';
import { elementTypeOf } from '../../onnx/element-types.ts';
import { describe, isScored, type TensorSpec } from '../../tensor.ts';
import type { ModelGraph } from '../graph/graph.ts';
import { checkOpset, GraphIndex } from '../graph/rewrite.ts';
import { floatTensor, toParameter, withNodes } from '../graph/rewrite-tensors.ts';
import { findOutput } from '../objective/objective.ts';
import { firstHead } from './head-init.ts';
import { headNodes } from './head-nodes.ts';

/** Which states a row is told by: the mean of those of its tokens, or that of the first one. */
export type Pooling = 'mean' | 'first';

export type HeadOptions = {
  /** An output of the model, [rows, sequence, hidden] or [rows, hidden]; empty means its only one. */
  readonly output: string;
  readonly classes: number;
  /** Of an output that has a state for each token. */
  readonly pooling: Pooling;
  /** What the weight is drawn from; uint64. */
  readonly seed: bigint;
};

const LOGITS = 'logits';
const WEIGHT = 'classifier.weight';
const BIAS = 'classifier.bias';

/** The initializers of a head: [classes, hidden] and [classes]. */
export const headTensors: readonly string[] = [WEIGHT, BIAS];

/** The input that shows which tokens there are. */
const MASK = 'attention_mask';

/** From it on the bounds of Clip are inputs. */
const OPSET_MIN = 11n;

/** Far above what is told apart in practice; what a head takes is allocated before it is held against weightsBytesMax. */
const CLASSES_MAX = 65_536;

/**
 * The model with a further output `logits`, float32 [rows, classes], whatever the model's type is; all that it had stays as it is.
 * @throws ZerothError invalid-argument on `head`, `head.output`, `head.classes` or `head.pooling`.
 */
export function withHead(graph: ModelGraph, { output, classes, pooling, seed }: HeadOptions): ModelGraph {
  if (!Number.isInteger(classes) || classes < 2 || classes > CLASSES_MAX)
    throw invalid('head.classes', `an integer from 2 to ${CLASSES_MAX}`, String(classes));
  const index = new GraphIndex(graph.proto.graph);
  checkNames(graph, index);
  const states = findStates(graph, output);
  const [opset, mask] = [checkOpset(graph, 'head', OPSET_MIN), findMask(graph, states, pooling)];
  const hidden = states.shape.at(-1)!;
  const tensors = [
    floatTensor(WEIGHT, [classes, hidden], firstHead({ seed, classes, hidden })),
    floatTensor(BIAS, [classes], new Float32Array(classes)),
  ];
  const place = { index, opset, states, pooling, mask, weight: WEIGHT, bias: BIAS, logits: LOGITS };
  const { node, output: outputs } = graph.proto.graph;
  const proto = withNodes(graph.proto, [...node, ...headNodes(place)], tensors);
  const value = toOutput(outputs.find(({ name }) => name === states.name)!, classes);
  const logits: TensorSpec = { name: LOGITS, dataType: 'float32', shape: [states.shape[0], classes] };
  return {
    ...graph,
    outputs: [...graph.outputs, logits],
    parameters: [...graph.parameters, ...tensors.map(toParameter)],
    proto: { ...proto, graph: { ...proto.graph, output: [...outputs, value] } },
  };
}

function checkNames({ outputs }: ModelGraph, index: GraphIndex): void {
  const taken = [LOGITS, WEIGHT, BIAS].find((name) => index.hasAny([name]));
  if (taken === undefined) return;
  const what = index.tensor(taken) !== undefined ? 'a tensor' : 'a value';
  const got = outputs.some(({ name }) => name === taken) ? 'an output' : what;
  throw invalid('head', `a model in which nothing is called "${taken}" yet`, `one with ${got} of that name`);
}

function findStates({ outputs }: ModelGraph, name: string): TensorSpec {
  const states = name === '' && outputs.length === 1 ? outputs[0] : findOutput(outputs, name, 'head.output');
  const { dataType, shape } = states;
  const got = `"${states.name}", which is ${describe(states)}`;
  if (!isScored(dataType) || (shape.length !== 2 && shape.length !== 3))
    throw invalid('head.output', 'float32 [rows, sequence, hidden] or [rows, hidden]', got);
  if (shape.at(-1)! < 1) throw invalid('head.output', 'an output whose last dimension is known', got);
  return states;
}

/** Undefined where all tokens count, or no mean is taken. */
function findMask({ inputs }: ModelGraph, { shape }: TensorSpec, pooling: Pooling): TensorSpec | undefined {
  if (pooling !== 'mean' || shape.length !== 3) return undefined;
  const mask = inputs.find(({ name }) => name === MASK);
  if (mask === undefined || mask.shape.length === 2) return mask;
  const expected = `an input "${MASK}" of [rows, sequence] to take a mean by`;
  throw invalid('head.pooling', expected, describe(mask));
}

/** Rows are called as those of the states are. */
function toOutput({ type }: ValueInfoProto, classes: number): ValueInfoProto {
  const rows = type!.tensorType!.shape!.dim[0];
  const shape = { dim: [rows, { dimValue: BigInt(classes) }] };
  return {
    name: LOGITS,
    type: { tensorType: { elemType: elementTypeOf('float32'), shape } },
    metadataProps: [],
  };
}
