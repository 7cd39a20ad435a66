// Where a graph turns token ids into vectors: a Gather from a table of embeddings, in each of the forms that exporters and quantizers
// write. What is put behind it is an embedding too.
import {
  type GraphProto,
  type NodeProto,
  type TensorProto,
  TensorProto_DataType,
} from '../../../proto/gen/onnx/onnx.ts';
import { invalid } from '../../errors.ts';
import { shapeOf } from '../graph/initializers.ts';
import { GraphIndex, intAttribute, isOp, subgraphsOf } from '../graph/rewrite.ts';

export type Lookup = {
  /** The node that makes the vectors, [rows, sequence, width]. */
  readonly last: NodeProto;
  /** Of the vectors: float32 or a smaller float. */
  readonly elementType: number;
  /** What they are looked up in: an initializer of two dimensions. */
  readonly table: TensorProto;
  /** Whether that is [width, vocabulary]. */
  readonly isTransposed: boolean;
  readonly vocabulary: number;
  readonly width: number;
};

export type Lookups = {
  /** One of every graph that has one: a merged decoder has one in each of its branches. */
  readonly all: readonly Lookup[];
  /** A token that nothing in the graph takes for another than itself: no padding, no end. */
  readonly neutral: number;
};

const FLOATS: readonly number[] = [
  TensorProto_DataType.FLOAT,
  TensorProto_DataType.FLOAT16,
  TensorProto_DataType.BFLOAT16,
];

const EXPECTED = 'a model that looks token ids up in one table of embeddings, by a Gather';

/** @throws ZerothError invalid-argument on `prompt` where ids go somewhere else, or several ways. */
export function findLookups(graph: GraphProto, ids: string): Lookups {
  const scopes = scopesOf(graph, []);
  const all = scopes.flatMap((scope) => lookupsIn(scope, ids));
  if (all.length === 0) throw invalid('prompt', EXPECTED, `one in which no Gather takes "${ids}"`);
  const [{ vocabulary, width }] = all;
  const other = all.find((lookup) => lookup.vocabulary !== vocabulary || lookup.width !== width);
  if (other !== undefined)
    throw invalid('prompt', EXPECTED, `two, "${all[0].table.name}" and "${other.table.name}"`);
  return { all, neutral: neutralToken(vocabulary, new Set(scopes.flatMap((scope) => compared(scope, ids)))) };
}

/** A graph and those around it, from within. */
class Scope {
  readonly graph: GraphProto;
  readonly #indices: readonly GraphIndex[];

  constructor(graph: GraphProto, indices: readonly GraphIndex[]) {
    this.graph = graph;
    this.#indices = indices;
  }

  tensor(name: string): TensorProto | undefined {
    return this.#indices.map((index) => index.tensor(name)).find((tensor) => tensor !== undefined);
  }

  producer(value: string): NodeProto | undefined {
    return this.#indices.map((index) => index.producer(value)).find((node) => node !== undefined);
  }

  onlyUser(value: string): NodeProto | undefined {
    return this.#indices[0].onlyUser(value);
  }

  /** Whether a value is this one, seen another way. */
  comesFrom(value: string, origin: string): boolean {
    if (value === origin) return true;
    const node = this.producer(value);
    const isView = ['Identity', 'Cast', 'Reshape'].some((opType) => isOp(node, opType));
    return isView && this.comesFrom(node!.input[0], origin);
  }
}

function scopesOf(graph: GraphProto, outer: readonly GraphIndex[]): Scope[] {
  const indices = [new GraphIndex(graph), ...outer];
  const inner = graph.node.flatMap(subgraphsOf).flatMap((each) => scopesOf(each, indices));
  return [new Scope(graph, indices), ...inner];
}

function lookupsIn(scope: Scope, ids: string): Lookup[] {
  const gathers = scope.graph.node.filter(
    (node) => isOp(node, 'Gather') && scope.comesFrom(node.input[1], ids),
  );
  if (gathers.length > 1)
    throw invalid('prompt', EXPECTED, `several, ${gathers.map(({ name }) => `"${name}"`).join(', ')}`);
  return gathers.map((gather) => readLookup(scope, gather));
}

function readLookup(scope: Scope, gather: NodeProto): Lookup {
  const refuse = (got: string) => invalid('prompt', EXPECTED, `"${gather.name}", which ${got}`);
  const found = intAttribute(gather, 'axis', 0) === 0 ? findTable(scope, gather.input[0]) : undefined;
  if (found === undefined) throw refuse('takes from no such table');
  const { table, isTransposed } = found;
  let [last, { elementType }] = [gather, found];
  if (!FLOATS.includes(elementType)) {
    // A quantized table: what is taken from it is made numbers of at once.
    const user = scope.onlyUser(gather.output[0]);
    if (!isOp(user, 'DequantizeLinear'))
      throw refuse('takes integers that no DequantizeLinear makes numbers of');
    [last, elementType] = [user, dequantizedType(scope, user)];
    if (!FLOATS.includes(elementType)) throw refuse('takes from no table of numbers');
  }
  const [rows, columns] = shapeOf(table);
  const [vocabulary, width] = isTransposed ? [columns, rows] : [rows, columns];
  return { last, elementType, table, isTransposed, vocabulary, width };
}

type Table = Pick<Lookup, 'table' | 'isTransposed' | 'elementType'>;

/** The tensor behind a value, through nodes that only look at it another way. */
function findTable(scope: Scope, value: string): Table | undefined {
  const table = scope.tensor(value);
  if (table !== undefined)
    return shapeOf(table).length === 2
      ? { table, isTransposed: false, elementType: table.dataType ?? 0 }
      : undefined;
  const node = scope.producer(value);
  const inner = node?.input[0] ? findTable(scope, node.input[0]) : undefined;
  if (inner === undefined || isOp(node, 'Identity')) return inner;
  if (isOp(node, 'Transpose')) return { ...inner, isTransposed: !inner.isTransposed };
  if (isOp(node, 'Cast')) return { ...inner, elementType: intAttribute(node, 'to', 0) };
  return isOp(node, 'DequantizeLinear') ? { ...inner, elementType: dequantizedType(scope, node) } : undefined;
}

function dequantizedType(scope: Scope, { input }: NodeProto): number {
  return scope.tensor(input[1])?.dataType ?? 0;
}

/** Special tokens are at either end of a vocabulary. */
function neutralToken(vocabulary: number, taken: ReadonlySet<number>): number {
  let token = Math.floor(vocabulary / 2);
  while (taken.has(token) && token > 0) token--;
  return token;
}

/** What ids are held against: a padding token, where positions count the others, or the end of a text. */
function compared(scope: Scope, ids: string): number[] {
  return scope.graph.node
    .filter((node) => isOp(node, 'Equal') && node.input.some((value) => scope.comesFrom(value, ids)))
    .flatMap(({ input }) => input)
    .flatMap((value) => integersOf(scope.tensor(value) ?? constantOf(scope.producer(value))));
}

function constantOf(node: NodeProto | undefined): TensorProto | undefined {
  return isOp(node, 'Constant') ? node.attribute.find(({ name }) => name === 'value')?.t : undefined;
}

function integersOf(tensor: TensorProto | undefined): number[] {
  if (tensor === undefined) return [];
  const { dataType, int64Data, int32Data, rawData } = tensor;
  if (int64Data.length + int32Data.length > 0) return [...int64Data, ...int32Data].map(Number);
  const bytes = new Uint8Array(rawData ?? []).buffer;
  if (dataType === TensorProto_DataType.INT64) return [...new BigInt64Array(bytes)].map(Number);
  return dataType === TensorProto_DataType.INT32 ? [...new Int32Array(bytes)] : [];
}
