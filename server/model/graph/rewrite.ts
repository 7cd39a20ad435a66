// A graph as those want it who put nodes into it: who makes a value, who uses it, which names are free.
import type { GraphProto, NodeProto, TensorProto } from '../../../proto/gen/onnx/onnx.ts';
import { invalid } from '../../errors.ts';
import type { ModelGraph } from './graph.ts';

/** A graph and its index; `place` tells it from all others of the model: "" for the main one, else the nodes and branches that lead to it. */
export type Scope = {
  readonly index: GraphIndex;
  readonly nodes: readonly NodeProto[];
  readonly place: string;
};

export class GraphIndex {
  readonly #graph: GraphProto;
  readonly #outer: GraphIndex | undefined;
  readonly #tensors = new Map<string, TensorProto>();
  readonly #producers = new Map<string, NodeProto>();
  readonly #users = new Map<string, (NodeProto | undefined)[]>();
  readonly #names: Set<string>;

  /** @param outer Of the graph that this one is a branch or a body in: its values can be used here, and names are free in both or in neither. */
  constructor(graph: GraphProto, outer?: GraphIndex) {
    this.#graph = graph;
    this.#outer = outer;
    this.#names = outer === undefined ? new Set(namesOf(graph)) : outer.#names;
    for (const tensor of graph.initializer) this.#tensors.set(tensor.name ?? '', tensor);
    for (const node of graph.node) {
      for (const output of node.output) this.#producers.set(output, node);
      for (const input of node.input) this.#use(input, node);
      for (const { value, user } of capturesOf(node)) this.#use(value, user);
    }
    for (const { name = '' } of graph.output) this.#use(name, undefined);
  }

  /** The initializer of this name; those of subgraphs are left alone. */
  tensor(name: string): TensorProto | undefined {
    return this.#outer === undefined ? this.#tensors.get(name) : this.#outer.tensor(name);
  }

  /** Whether the caller gives this value. */
  isInput(value: string): boolean {
    if (this.#outer !== undefined) return !this.#isOwn(value) && this.#outer.isInput(value);
    return this.#graph.input.some(({ name }) => name === value) && !this.#tensors.has(value);
  }

  /** Of the node that makes a value; undefined for inputs and initializers. */
  producer(value: string): NodeProto | undefined {
    if (this.#outer !== undefined && !this.#isOwn(value)) return this.#outer.producer(value);
    return this.#producers.get(value);
  }

  /** One for each use, in the order of the graph: a node, of a subgraph too, or undefined for whoever gets what a graph gives. */
  users(value: string): readonly (NodeProto | undefined)[] {
    if (this.#outer !== undefined && !this.#isOwn(value)) return this.#outer.users(value);
    return this.#users.get(value) ?? [];
  }

  /** The only user of a value, if that is a node of this graph itself. */
  onlyUser(value: string): NodeProto | undefined {
    const [user, ...others] = this.users(value);
    return user !== undefined && others.length === 0 && this.#graph.node.includes(user) ? user : undefined;
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

  /** This graph, and behind it those of its nodes, with theirs. */
  *scopes(place = ''): Generator<Scope> {
    yield { index: this, nodes: this.#graph.node, place };
    for (const node of this.#graph.node)
      for (const [i, graph] of subgraphsOf(node).entries())
        yield* new GraphIndex(graph, this).scopes(`${place}${node.output[0]}[${i}].`);
  }

  /** Made here, or a tensor or an input of this very graph. */
  #isOwn(value: string): boolean {
    const { input } = this.#graph;
    return this.#producers.has(value) || this.#tensors.has(value) || input.some(({ name }) => name === value);
  }

  #use(value: string, user: NodeProto | undefined): void {
    const users = this.#users.get(value);
    if (users === undefined) this.#users.set(value, [user]);
    else users.push(user);
  }
}

/** Nodes, those of subgraphs too, each with what `change` makes of it in its place, or as it is. */
export function replaceNodes(
  nodes: readonly NodeProto[],
  change: (node: NodeProto) => readonly NodeProto[] | undefined,
): NodeProto[] {
  const inner = (graph: GraphProto) => ({ ...graph, node: replaceNodes(graph.node, change) });
  return nodes.flatMap((node) => {
    const changed = change(node);
    if (changed !== undefined || subgraphsOf(node).length === 0) return changed ?? [node];
    const attribute = node.attribute.map((each) => ({
      ...each,
      ...(each.g && { g: inner(each.g) }),
      graphs: each.graphs.map(inner),
    }));
    return [{ ...node, attribute }];
  });
}

/** Nodes in the order of the graph, those of subgraphs behind theirs. */
export function* allNodes(nodes: readonly NodeProto[]): Generator<NodeProto> {
  for (const node of nodes) {
    yield node;
    for (const { node: inner } of subgraphsOf(node)) yield* allNodes(inner);
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
function* capturesOf(node: NodeProto): Generator<{ value: string; user: NodeProto | undefined }> {
  for (const { node: nodes, output } of subgraphsOf(node)) {
    for (const user of nodes) {
      for (const value of user.input) yield { value, user };
      yield* capturesOf(user);
    }
    for (const { name = '' } of output) yield { value: name, user: undefined };
  }
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
