// Nodes that are put into a graph of somebody else's, under names that nothing in it has.
import { AttributeProto_AttributeType as AttributeType, NodeProto } from '../../../proto/gen/onnx/onnx.ts';
import { elementTypeOf } from '../../onnx/element-types.ts';
import type { DataType } from '../../tensor.ts';
import type { GraphIndex } from './rewrite.ts';

type Attributes = Readonly<Record<string, number | readonly number[]>>;

export class NodeWriter {
  /** In an order that runs. */
  readonly nodes: NodeProto[] = [];
  readonly #index: GraphIndex;
  readonly #prefix: string;

  /** @param prefix Of the names of nodes. */
  constructor(index: GraphIndex, prefix: string) {
    this.#index = index;
    this.#prefix = prefix;
  }

  /** @returns the name of the node's output. */
  add(opType: string, input: readonly string[], attributes: Attributes = {}, output?: string): string {
    const attribute = Object.entries(attributes).map(([name, of]) =>
      typeof of === 'number'
        ? { name, type: AttributeType.INT, i: BigInt(of) }
        : { name, type: AttributeType.INTS, ints: of.map(BigInt) },
    );
    return this.#push(opType, { opType, input: [...input], attribute }, output);
  }

  cast(input: string, dataType: DataType): string {
    return this.add('Cast', [input], { to: elementTypeOf(dataType) });
  }

  /** @param kind What it is called by. */
  float(of: number, kind = 'Constant'): string {
    return this.#constant(kind, 'float32', [], Float32Array.of(of));
  }

  int64(shape: readonly number[], ...of: number[]): string {
    return this.#constant('Constant', 'int64', shape, BigInt64Array.from(of, BigInt));
  }

  #constant(
    kind: string,
    dataType: DataType,
    shape: readonly number[],
    { buffer }: Float32Array | BigInt64Array,
  ): string {
    const t = { dataType: elementTypeOf(dataType), dims: shape.map(BigInt), rawData: Buffer.from(buffer) };
    const attribute = [{ name: 'value', type: AttributeType.TENSOR, t }];
    return this.#push(kind, { opType: 'Constant', attribute });
  }

  #push(kind: string, node: Parameters<typeof NodeProto.fromPartial>[0], output?: string): string {
    const name = this.#index.free(`${this.#prefix}/${kind}`);
    const made = output ?? this.#index.free(`${name}_output`);
    this.nodes.push(NodeProto.fromPartial({ ...node, name, output: [made] }));
    return made;
  }
}
