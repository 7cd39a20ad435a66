// Which graphs let positions be chosen, and where they are cut: those of real exporters, and small ones with something in the way.
import { describe, expect, test } from 'vitest';
import { byPosition } from '../../../server/model/forward/position-forward.ts';
import { readModel } from '../../../server/model/graph/graph.ts';
import { withPositions } from '../../../server/model/graph/positions.ts';
import { promote } from '../../../server/model/graph/promote.ts';
import { GraphWriter } from '../../../server/onnx/graph-writer.ts';
import { createSession } from '../../support/sessions.ts';
import { readFixture } from '../adapter/lora-cases.ts';
import { chosenIn, fixtures } from '../language-cases.ts';
import { floats, int64 } from '../models.ts';

describe('models of real exporters', () => {
  const isOfTokens = fixtures.filter(([, { kind }]) => kind !== 'classification');

  /** docs/language-models.md says so. */
  test('all causal and masked ones let positions be chosen, but for one whose layers lie in an If', () => {
    const cuts = isOfTokens.map(([name]) => {
      const found = withPositions(readFixture(name));
      if (found === undefined || 'why' in found) return [name, found] as const;
      const { node } = found.graph.proto.graph;
      return [name, node.find((each) => each.name === '/positions/Flatten')!.input[0]] as const;
    });
    // The feed-forward part of the last layer follows too, where nothing reshapes between it and the head.
    expect(Object.fromEntries(cuts)).toEqual({
      gpt2: '/transformer/Reshape_5_output_0',
      'gpt2-past': '/transformer/Reshape_5_output_0',
      'llama-external': '/model/layers.1/Add_output_0',
      'llama-int4': '/model/layers.0/Add_output_0',
      'llama-merged': {
        output: 'logits',
        why: 'its positions are not known to be apart behind If "optimum::if"',
      },
      'llama-past': '/model/layers.0/Add_output_0',
      opt: '/decoder/layers.1/Reshape_1_output_0',
      'qwen2-dynamo': 'add_376',
      'roberta-mlm': '/roberta/encoder/layer.1/attention/output/Add_output_0',
    });
  });

  test.each(fixtures.filter(([, { kind }]) => kind === 'classification'))('%s has no such scores', (name) => {
    expect(withPositions(readFixture(name))).toBe(undefined);
  });
});

const [HIDDEN, WIDTH, TOKENS, SEQUENCE] = [4, 6, 10, 3];

/** What a graph has behind its states, a Gather: [rows, sequence, 4]. */
type Tail = (graph: GraphWriter, states: string) => string;

type GraphOptions = {
  readonly input?: string;
  /** What the output calls its rows and its sequence. */
  readonly sizes?: readonly [string | number, string | number];
  readonly opset?: number;
};

function graphOf(tail: Tail, { input = 'input_ids', sizes = ['n', 'm'], opset = 18 }: GraphOptions = {}) {
  const graph = new GraphWriter(opset);
  graph.input(input, ['n', 'm']);
  const states = graph.add('Gather', [weight(graph, 'table', [TOKENS, HIDDEN]), input], {}, 'states');
  graph.add('Identity', [tail(graph, states)], {}, 'logits');
  graph.output('logits', [...sizes, WIDTH]);
  return graph;
}

function weight(graph: GraphWriter, name: string, shape: readonly number[]): string {
  const length = shape.reduce((product, size) => product * size, 1);
  return graph.initializer(
    name,
    shape,
    Float32Array.from({ length }, (_, i) => Math.sin(i + 1) / 2),
  );
}

function head(graph: GraphWriter, states: string): string {
  return graph.add('MatMul', [states, weight(graph, 'head', [HIDDEN, WIDTH])]);
}

function foundIn(graph: GraphWriter) {
  return withPositions(readModel(graph.finish()));
}

function cutOf(graph: GraphWriter): string | undefined {
  const found = foundIn(graph);
  if (found === undefined || 'why' in found) return found?.why;
  return found.graph.proto.graph.node.find(({ opType }) => opType === 'Flatten')!.input[0];
}

/** All that is known to leave positions apart, one after the other. */
function everyOperator(graph: GraphWriter, states: string): string {
  const row = weight(graph, 'row', [HIDDEN]);
  const scaled = graph.add('Mul', [graph.add('Add', [states, row]), graph.constant(0.7)]);
  const gated = graph.add('Mul', [scaled, graph.add('Sigmoid', [scaled])]);
  const bent = graph.add('Div', [graph.add('Erf', [graph.add('Tanh', [gated])]), graph.constant(1.5)]);
  const sum = graph.add('Sub', [graph.add('Relu', [bent]), graph.add('Identity', [row])]);
  const squares = graph.add('Pow', [sum, graph.constant(2)]);
  const mean = graph.add('ReduceMean', [squares, graph.constant([2])], { keepdims: 1 });
  const deviation = graph.add('Reciprocal', [
    graph.add('Sqrt', [graph.add('Add', [mean, graph.constant(1)])]),
  ]);
  const narrow = graph.cast(graph.cast(graph.add('Mul', [sum, deviation]), 'float64'), 'float32');
  const wide = graph.layerNormalization(narrow, row, row, 1e-5);
  return head(graph, graph.add('Add', [states, wide]));
}

describe('what leaves positions apart', () => {
  test.each([18, 13])(
    'every operator that does, of opset %i, and what they give for some positions',
    async (opset) => {
      const tail: Tail =
        opset === 18 ? everyOperator : (graph, states) => head(graph, normalized(graph, states));
      const graph = graphOf(tail, { opset });
      expect(cutOf(graph)).toBe('states');
      const ids = { input_ids: int64([2, SEQUENCE], [1, 2, 3, 4, 5, 6]) };
      const file = readModel(graph.finish());
      const { graph: changed, positions } = chosenIn(file);
      const [session, other] = [
        await createSession(promote(file, [])),
        await createSession(promote(changed, [])),
      ];
      using forward = byPosition(other.bind([]), positions);
      const whole = floats((await session.run(ids, ['logits'])).logits);
      const { logits } = await forward.run(forward.chosen!.at(ids, Int32Array.of(5, 1)), ['logits']);
      const rows = [5, 1].flatMap((at) => [...whole.subarray(at * WIDTH, (at + 1) * WIDTH)]);
      for (const [i, value] of floats(logits).entries()) expect(value).toBeCloseTo(rows[i], 5);
      forward[Symbol.dispose]();
      for (const each of [session, other]) await each.release();
    },
  );
});

/** With the axes of ReduceMean as attributes. */
function normalized(graph: GraphWriter, states: string): string {
  const row = weight(graph, 'row', [HIDDEN]);
  return graph.layerNormalization(states, row, row, 1e-5);
}

test('outputs and inputs that are left out say nothing of each other', () => {
  const graph = graphOf((writer, states) => {
    const few = writer.add('Clip', [states, '', writer.constant(1)], {}, 'clipped');
    return head(writer, normalized(writer, few));
  });
  const file = readModel(graph.finish());
  const norm = file.proto.graph.node.find(({ opType }) => opType === 'LayerNormalization')!;
  norm.output.push('', '');
  const { node } = chosenIn(file).graph.proto.graph;
  expect(node.find(({ opType }) => opType === 'Flatten')!.input[0]).toBe('clipped');
});

describe('what does not', () => {
  const sums: Tail = (graph, states) =>
    graph.add('ReduceSum', [states, graph.constant([1])], { keepdims: 1 });
  test.each<readonly [string, Tail, string]>([
    ['a sum over positions at the output', (graph, states) => sums(graph, head(graph, states)), 'ReduceSum'],
    [
      'a softmax at the output',
      (graph, states) => graph.add('Softmax', [head(graph, states)], { axis: 1 }),
      'Softmax',
    ],
    [
      'a table with something for each position',
      (graph, states) => graph.add('Add', [head(graph, states), weight(graph, 'places', [SEQUENCE, WIDTH])]),
      'Gather "nodestates"',
    ],
    [
      'a product with values that are no weight',
      (graph, states) =>
        graph.add('MatMul', [
          graph.add('MatMul', [states, graph.add('Transpose', [states], { perm: [0, 2, 1] })]),
          states,
        ]),
      'MatMul',
    ],
    [
      'scores that something else uses',
      (graph, states) => {
        const scores = head(graph, states);
        graph.add('ReduceSum', [scores], { keepdims: 0 }, 'sum');
        graph.output('sum', []);
        return scores;
      },
      'MatMul',
    ],
  ])('%s', (_, tail, why) => {
    expect(cutOf(graphOf(tail))).toMatch(/^its positions are not known to be apart behind /);
    expect(cutOf(graphOf(tail))).toContain(why);
  });

  test('normalization over more than features ends what is behind a cut', () => {
    const row = (graph: GraphWriter) => weight(graph, 'row', [HIDDEN]);
    const tail: Tail = (graph, states) => {
      const all = graph.add('LayerNormalization', [states, row(graph)], { axis: 1 }, 'normalized');
      return head(graph, all);
    };
    expect(cutOf(graphOf(tail))).toBe('normalized');
  });

  test('a mean over positions does too', () => {
    const tail: Tail = (graph, states) => {
      const mean = graph.add('ReduceMean', [states, graph.constant([1])], { keepdims: 1 });
      return head(graph, graph.add('Mul', [states, mean], {}, 'mixed'));
    };
    expect(cutOf(graphOf(tail))).toBe('mixed');
  });

  test('states that are an output themselves stay whole, and the head behind them follows', () => {
    const graph = graphOf((writer, states) => head(writer, writer.add('Tanh', [states], {}, 'hidden')));
    graph.output('hidden', ['n', 'm', HIDDEN]);
    expect(cutOf(graph)).toBe('hidden');
  });
});

describe('rows and sequence', () => {
  const positionsOf = (options: GraphOptions) => {
    const found = foundIn(graphOf(head, options));
    if (found === undefined || 'why' in found) return found?.why;
    return found.positions.sizes;
  };
  const ofIds = [0, 1].map((axis) => ({ input: 'input_ids', axis }));
  test('by the names of dimensions, whatever the input is called', () => {
    expect(positionsOf({ input: 'tokens' })).toEqual([0, 1].map((axis) => ({ input: 'tokens', axis })));
  });
  test('as they are fixed', () => {
    expect(positionsOf({ sizes: [2, 'm'] })).toEqual([2, ofIds[1]]);
  });
  test('of the ids, where an exporter has made names up', () => {
    expect(positionsOf({ sizes: ['MatMullogits_dim_0', 'MatMullogits_dim_1'] })).toEqual(ofIds);
  });
  test('not of what may be anything', () => {
    const sizes = ['MatMullogits_dim_0', 'MatMullogits_dim_1'] as const;
    expect(positionsOf({ sizes, input: 'tokens' })).toBe(
      'no input is known to have its rows and its sequence',
    );
  });
  test('not of the ids of an encoder where a decoder has its own', () => {
    const graph = graphOf(head, { sizes: ['a', 'b'] });
    graph.input('decoder_input_ids', ['n', 'k']);
    expect(cutOf(graph)).toBe('no input is known to have its rows and its sequence');
  });
});
