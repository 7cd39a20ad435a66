// Encoders for tests of heads: models of real exporters without the heads that they have.
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { type GraphProto, ModelProto, type NodeProto } from '../../../proto/gen/onnx/onnx.ts';
import { elementTypeOf } from '../../../server/onnx/element-types.ts';
import type { DataType } from '../../../server/tensor.ts';

const HIDDEN = 32;
const STATES = 'last_hidden_state';

/** The file of a fixture cut behind its last encoder layer, whose states are its only output. */
export function encoderOf(name: string, dataType: DataType = 'float32'): Uint8Array {
  const path = fileURLToPath(new URL(`../../fixtures/language/${name}.onnx`, import.meta.url));
  const model = ModelProto.decode(readFileSync(path));
  const graph = model.graph!;
  const last = graph.node.findLast(
    ({ opType, output }) => opType === 'LayerNormalization' && /layer\.1/.test(output[0]),
  )!;
  const node = needed(graph, last).map((each) => (each === last ? { ...last, output: [STATES] } : each));
  const used = new Set(node.flatMap(({ input }) => input));
  const initializer = graph.initializer.filter((tensor) => used.has(tensor.name ?? ''));
  const rows = graph.input[0].type!.tensorType!.shape!.dim;
  const tensorType = {
    elemType: elementTypeOf(dataType),
    shape: { dim: [...rows, { dimValue: BigInt(HIDDEN) }] },
  };
  const output = [{ name: STATES, type: { tensorType }, metadataProps: [] }];
  return ModelProto.encode({
    ...model,
    graph: { ...graph, node, initializer, output, valueInfo: [] },
  }).finish();
}

/** A node and all that it takes to run it, in the order of the graph. */
function needed({ node }: GraphProto, last: NodeProto): NodeProto[] {
  const wanted = new Set(last.input);
  const kept = node
    .slice(0, node.indexOf(last))
    .reverse()
    .filter(({ input, output }) => {
      const isNeeded = output.some((name) => wanted.has(name));
      if (isNeeded) for (const name of input) wanted.add(name);
      return isNeeded;
    });
  return [...kept.reverse(), last];
}
