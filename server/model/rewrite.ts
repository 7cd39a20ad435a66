// A graph as those want it who put nodes into it: who makes a value, who uses it, which names are free.
import type { GraphProto, NodeProto, TensorProto } from '../../proto/gen/onnx/onnx.ts';
import { invalid } from '../errors.ts';
import type { ModelGraph } from './graph.ts';

export class GraphIndex {
  readonly #tensors = new Map<string, TensorProto>();
  readonly #producers = new Map<string, NodeProto>();
  readonly #users = new Map<string, (NodeProto | undefined)[]>();
  readonly #names: Set<string>;

  constructor(graph: GraphProto) {
    this.#names = new Set(namesOf(graph));
    for (const tensor of graph.initializer) this.#tensors.set(tensor.name ?? '', tensor);
    for (const node of graph.node) {
      for (const output of node.output) this.#producers.set(output, node);
      for (const input of [...node.input, ...capturesOf(node)]) this.#use(input, node);
    }
    for (const { name = '' } of graph.output) this.#use(name, undefined);
  }

  /** The initializer of this name. */
  tensor(name: string): TensorProto | undefined {
    return this.#tensors.get(name);
  }

  /** Of the node that makes a value; undefined for inputs and initializers. */
  producer(value: string): NodeProto | undefined {
    return this.#producers.get(value);
  }

  /** One for each use, in the order of the graph: a node, by its subgraphs too, or undefined for the caller. */
  users(value: string): readonly (NodeProto | undefined)[] {
    return this.#users.get(value) ?? [];
  }

  /** The only user of a value, if that is a node. */
  onlyUser(value: string): NodeProto | undefined {
    const users = this.users(value);
    return users.length === 1 ? users[0] : undefined;
  }

  /** This name, or one like it that nothing has; it is taken from now on. */
  free(wanted: string): string {
    let name = wanted;
    for (let i = 2; this.#names.has(name); i++) name = `${wanted}_${i}`;
    this.#names.add(name);
    return name;
  }

  /** Whether any of these is taken. */
  hasAny(names: readonly string[]): boolean {
    return names.some((name) => this.#names.has(name));
  }

  #use(value: string, user: NodeProto | undefined): void {
    const users = this.#users.get(value);
    if (users === undefined) this.#users.set(value, [user]);
    else users.push(user);
  }
}

/** The int attribute of a node, or what the operator takes where it is not given. */
export function intAttribute({ attribute }: NodeProto, name: string, otherwise: number): number {
  return Number(attribute.find((each) => each.name === name)?.i ?? otherwise);
}

export function floatAttribute({ attribute }: NodeProto, name: string, otherwise: number): number {
  return attribute.find((each) => each.name === name)?.f ?? otherwise;
}

/** Whether a node is this operator of ONNX itself, or of the domain that is given. */
export function isOp(node: NodeProto | undefined, opType: string, domain = ''): node is NodeProto {
  const own = node?.domain === 'ai.onnx' ? '' : (node?.domain ?? '');
  return node?.opType === opType && own === domain;
}

/** The version of ONNX's own operators. @throws ZerothError invalid-argument on `field` where it is below `least`. */
export function checkOpset({ proto }: ModelGraph, field: string, least: bigint): bigint {
  const isOnnx = ({ domain = '' }) => domain === '' || domain === 'ai.onnx';
  const opset = proto.opsetImport.find(isOnnx)?.version;
  if (opset !== undefined && opset >= least) return opset;
  throw invalid(field, `a model of ONNX's opset ${least} or later`, String(opset ?? 'none'));
}

/** The graph with other nodes in the place of each, in its subgraphs too, innermost first. */
export function withEachNode(graph: GraphProto, change: (node: NodeProto) => NodeProto[]): GraphProto {
  const node = graph.node.flatMap((each) =>
    change(withSubgraphs(each, (inner) => withEachNode(inner, change))),
  );
  return { ...graph, node };
}

/** The node with other names for values that it reads, or makes. */
export function withNames(
  node: NodeProto,
  of: 'input' | 'output',
  names: ReadonlyMap<string, string>,
): NodeProto {
  return { ...node, [of]: node[of].map((name) => names.get(name) ?? name) };
}

/** The node itself where it has no subgraph. */
export function withSubgraphs(node: NodeProto, change: (graph: GraphProto) => GraphProto): NodeProto {
  if (subgraphsOf(node).length === 0) return node;
  const attribute = node.attribute.map((of) => ({
    ...of,
    ...(of.g && { g: change(of.g) }),
    graphs: of.graphs.map(change),
  }));
  return { ...node, attribute };
}

/** What the subgraphs of a node use, of whatever graph. */
function capturesOf(node: NodeProto): string[] {
  return subgraphsOf(node).flatMap((graph) => [
    ...graph.node.flatMap((each) => [...each.input, ...capturesOf(each)]),
    ...graph.output.map(({ name = '' }) => name),
  ]);
}

export function subgraphsOf({ attribute }: NodeProto): GraphProto[] {
  return attribute.flatMap(({ g, graphs }) => (g === undefined ? graphs : [g, ...graphs]));
}

/** Of values, tensors and nodes, in subgraphs too. */
function* namesOf(graph: GraphProto): Generator<string> {
  for (const { name = '' } of [...graph.initializer, ...graph.input]) yield name;
  for (const node of graph.node) {
    yield node.name ?? '';
    yield* node.input;
    yield* node.output;
    for (const inner of subgraphsOf(node)) yield* namesOf(inner);
  }
}
