// Moves as ONNX graphs, for weights on a device (noise/1, "Direction" and "Shift"). They use what ONNX Runtime's WebGPU provider has:
// no operator on bits, so hash words are taken apart by divisions; no operator that multiplies and adds at once, so every
// rounding is where noise/1 has it.
import { GraphWriter } from '../onnx/graph-writer.ts';

const OPSET = 18;

/** Inputs and outputs are named alike in all of these graphs. */
export const names = {
  /** float32 [blocks, 64]: one tensor. In and out may be the same memory. */
  weights: 'weights',
  moved: 'moved',
  /** float32 [16384, 64] */
  table: 'table',
  /** int32 [blocks that move], one of these a direction: the bits of hash words. */
  words: (direction: number) => `words${direction}`,
  /** float32 [directions, 1]: a of noise/1. */
  units: 'units',
  /** float32 [directions, 1, 1]: times q. */
  steps: 'steps',
  /** int64 [1]: which blocks of the tensor move, and int64 [blocks that move, 1]: the same, one by one. */
  from: 'from',
  to: 'to',
  places: 'places',
  /** float32 [1]: a of decay/1. */
  rate: 'rate',
  /** float32 [1] */
  scale: 'scale',
  unscale: 'unscale',
  largest: 'largest',
  /** float32 [n] */
  flat: 'flat',
} as const;

/** The whole tensor, or some of its blocks: what is between takes memory by what moves. */
export type Extent = 'whole' | 'part';

/** w <- w + sum of times k q, k = floor(a z + u), for so many directions in one pass over a tensor. */
export function moveGraph(directions: number, extent: Extent): Uint8Array {
  const graph = new GraphWriter(OPSET);
  return inPlace(graph, extent, (old, moved) => {
    const words = wordsOf(graph, directions);
    const { rows, signs, dithers } = decoded(graph, words);
    graph.input(names.table, ['rows', 64], 'float32');
    graph.input(names.units, [directions, 1], 'float32');
    graph.input(names.steps, [directions, 1, 1], 'float32');
    const z = graph.add('Gather', [names.table, rows], { axis: 0 });
    const a = graph.unsqueeze(graph.add('Mul', [signs, names.units]), [2]);
    const scaled = graph.add('Add', [graph.add('Mul', [z, a]), graph.unsqueeze(dithers, [2])]);
    const changes = graph.add('Mul', [graph.add('Floor', [scaled]), names.steps]);
    // Integers times a power of two, whose sum is known to fit: any order gives the same bits (plan.ts).
    const change = graph.add(directions === 1 ? 'Squeeze' : 'ReduceSum', [changes, graph.constant([0])], {
      ...(directions > 1 && { keepdims: 0 }),
    });
    return graph.add('Add', [old, change], {}, moved);
  });
}

/**
 * w <- floor(w / q + 0.5) q. noise/1 has it in float64, where that sum is exact. In float32 it may round up to an integer, beyond 2^23 and
 * right below 0.5. So the whole part is taken off first: w / q is exact, as w is on a finer grid, and so is the rest, or it rounds to
 * 1 where w is just below 0, and is more than a half all the same.
 */
export function regridGraph(extent: Extent): Uint8Array {
  const graph = new GraphWriter(OPSET);
  return inPlace(graph, extent, (old, moved) => {
    graph.input(names.scale, [1], 'float32');
    graph.input(names.unscale, [1], 'float32');
    const steps = graph.add('Mul', [old, names.scale]);
    const whole = graph.add('Floor', [steps]);
    const rest = graph.add('Sub', [steps, whole]);
    const isUp = graph.cast(graph.add('GreaterOrEqual', [rest, graph.constant(0.5)]), 'float32');
    return graph.add('Mul', [graph.add('Add', [whole, isUp]), names.unscale], {}, moved);
  });
}

/**
 * w <- w - s m q, m = min(k, floor(a k + u)) for a weight of k steps and the sign s (decay/1). What is floored is k + 1 at most, as
 * a <= 1 and u < 1: where it is more than k it is taken back by 1.
 */
export function decayGraph(extent: Extent): Uint8Array {
  const graph = new GraphWriter(OPSET);
  return inPlace(graph, extent, (old, moved) => {
    const words = graph.cast(graph.input(names.words(0), ['blocks'], 'int32'), 'uint32');
    const dithers = dithersOf(graph, words, shifted(graph, words, 14));
    for (const name of [names.rate, names.scale, names.unscale]) graph.input(name, [1], 'float32');
    const k = graph.add('Abs', [graph.add('Mul', [old, names.scale])]);
    const scaled = graph.add('Add', [graph.add('Mul', [k, names.rate]), graph.unsqueeze(dithers, [1])]);
    const floored = graph.add('Floor', [scaled]);
    const isBeyond = graph.cast(graph.add('Greater', [floored, k]), 'float32');
    const steps = graph.add('Mul', [graph.add('Sub', [floored, isBeyond]), names.unscale]);
    const isUp = graph.cast(graph.add('GreaterOrEqual', [old, graph.constant(0)]), 'float32');
    const signs = graph.add('Sub', [graph.add('Mul', [isUp, graph.constant(2)]), graph.constant(1)]);
    return graph.add('Sub', [old, graph.add('Mul', [steps, signs])], {}, moved);
  });
}

/** The largest magnitude in whole blocks, float32 [1]; block by block first, so that many threads have something to do. */
export function largestOfBlocksGraph(): Uint8Array {
  const graph = new GraphWriter(OPSET);
  graph.input(names.weights, ['blocks', 64], 'float32');
  const ofBlocks = magnitude(graph, names.weights, 1, 0);
  graph.add('ReduceMax', [ofBlocks, graph.constant([0])], { keepdims: 1 }, names.largest);
  graph.output(names.largest, [1]);
  return graph.finish();
}

/** The largest magnitude from an element on, which is that behind the last whole block. */
export function largestOfRestGraph(): Uint8Array {
  const graph = new GraphWriter(OPSET);
  graph.input(names.flat, ['n'], 'float32');
  graph.input(names.from, [1]);
  graph.input(names.to, [1]);
  const rest = graph.add('Slice', [names.flat, names.from, names.to, graph.constant([0])]);
  magnitude(graph, rest, 0, 1, names.largest);
  graph.output(names.largest, [1]);
  return graph.finish();
}

/** Along one axis. Not the maximum of magnitudes: those would take as much memory as the weights. */
function magnitude(graph: GraphWriter, of: string, axis: number, keepdims: 0 | 1, output?: string): string {
  const [most, least] = ['ReduceMax', 'ReduceMin'].map((operator) =>
    graph.add('Abs', [graph.add(operator, [of, graph.constant([axis])], { keepdims })]),
  );
  return graph.add('Max', [most, least], {}, output);
}

/** A part is written to where it was read: ScatterND leaves the rest of its own output alone. */
function inPlace(
  graph: GraphWriter,
  extent: Extent,
  change: (old: string, moved?: string) => string,
): Uint8Array {
  graph.input(names.weights, ['all', 64], 'float32');
  if (extent === 'whole') {
    change(names.weights, names.moved);
  } else {
    graph.input(names.from, [1]);
    graph.input(names.to, [1]);
    graph.input(names.places, ['blocks', 1]);
    const old = graph.add('Slice', [names.weights, names.from, names.to, graph.constant([0])]);
    graph.add('ScatterND', [names.weights, names.places, change(old)], {}, names.moved);
  }
  graph.output(names.moved, ['all', 64]);
  return graph.finish();
}

/** uint32 [directions, blocks] */
function wordsOf(graph: GraphWriter, directions: number): string {
  const each = Array.from({ length: directions }, (_, direction) =>
    graph.unsqueeze(graph.input(names.words(direction), ['blocks'], 'int32'), [0]),
  );
  const bits = directions === 1 ? each[0] : graph.add('Concat', each, { axis: 0 });
  return graph.cast(bits, 'uint32');
}

/** Row in bits 0-13, dither in bits 14-29, sign in bit 31; all [directions, blocks]. */
function decoded(graph: GraphWriter, words: string) {
  const from14 = shifted(graph, words, 14);
  const rows = graph.cast(without(graph, words, from14, 14), 'int32');
  const negative = graph.cast(shifted(graph, words, 31), 'float32');
  const signs = graph.add('Add', [graph.add('Mul', [negative, graph.constant(-2)]), graph.constant(1)]);
  return { rows, signs, dithers: dithersOf(graph, words, from14) };
}

/** u of noise/1. @param from14 The words without their lower 14 bits. */
function dithersOf(graph: GraphWriter, words: string, from14: string): string {
  const dither = graph.cast(without(graph, from14, shifted(graph, words, 30), 16), 'float32');
  const halves = graph.add('Add', [dither, graph.constant(0.5)]);
  return graph.add('Mul', [halves, graph.constant(1 / 65536)]);
}

function shifted(graph: GraphWriter, value: string, bits: number): string {
  return graph.add('Div', [value, powerOfTwo(graph, bits)]);
}

function without(graph: GraphWriter, value: string, upper: string, bits: number): string {
  return graph.add('Sub', [value, graph.add('Mul', [upper, powerOfTwo(graph, bits)])]);
}

function powerOfTwo(graph: GraphWriter, bits: number): string {
  return graph.constantTensor('uint32', [], Uint32Array.of(2 ** bits));
}
