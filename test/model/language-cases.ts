// What tests of language models share: the fixtures of the real exporters, and evaluations of them as a run makes them.
import { readdirSync, readFileSync } from 'node:fs';
import { expect } from 'vitest';
import { openBatch } from '../../server/model/batch/batch.ts';
import { type Evaluation, evaluate } from '../../server/model/forward/evaluate.ts';
import { byPosition, type PositionForward } from '../../server/model/forward/position-forward.ts';
import { LossPrograms } from '../../server/model/forward/score.ts';
import type { ModelGraph } from '../../server/model/graph/graph.ts';
import { type WithPositions, withPositions } from '../../server/model/graph/positions.ts';
import { initialValues, promote } from '../../server/model/graph/promote.ts';
import { findObjective, scoredOutput } from '../../server/model/objective/objectives.ts';
import type { BoundForward, Runtime } from '../../server/runtime/runtime.ts';
import type { Tensor } from '../../server/tensor.ts';
import { ModelFile } from '../../server/worker/model-file.ts';
import { int64 } from './models.ts';

export const FOLDER = 'test/fixtures/language';

/** What a fixture says of itself (export.py). */
export type Fixture = {
  readonly files: readonly string[];
  readonly kind: 'classification' | 'masked-lm' | 'causal-lm';
  readonly batch: {
    readonly input_ids: readonly (readonly number[])[];
    readonly attention_mask: readonly (readonly number[])[];
    readonly labels: readonly number[] | readonly (readonly number[])[];
  };
  readonly expected: {
    readonly from: string;
    readonly losses: readonly number[];
    readonly mean: number;
    readonly tokens?: readonly number[];
  };
};

export const fixtures = readdirSync(FOLDER)
  .filter((name) => name.endsWith('.json'))
  .map((name) => [name.replace('.json', ''), readFixture(name)] as const);

export function readFixture(name: string): Fixture {
  return JSON.parse(readFileSync(`${FOLDER}/${name}`, 'utf8')) as Fixture;
}

const objectives = {
  classification: 'cross_entropy',
  'masked-lm': 'masked_lm',
  'causal-lm': 'causal_lm',
} as const;

function rowsOf(values: readonly number[] | readonly (readonly number[])[]): Tensor {
  const rows = values.map((row) => (typeof row === 'number' ? [row] : row));
  const shape = typeof values[0] === 'number' ? [rows.length] : [rows.length, rows[0].length];
  return int64(shape, rows.flat());
}

export type FixtureOptions = {
  readonly tensors?: Partial<Fixture['batch']>;
  readonly outputs?: readonly string[];
  readonly isCut?: boolean;
  /** Which positions go through the head, where the graph can choose. Default: all, as the file has it. */
  readonly head?: 'whole' | 'chosen';
  /** What is put into the graph first. Default: nothing. */
  readonly adapt?: (graph: ModelGraph) => ModelGraph;
};

export type FixtureEvaluation = Evaluation & {
  readonly tokensOfPasses: readonly number[];
  /** Of every pass, as the model gave them. */
  readonly logits: readonly (readonly number[])[];
};

/** With the trainable weights as inputs, as a run has them. */
export async function evaluateFixture(
  { files, kind, batch, expected }: Fixture,
  runtime: Runtime,
  {
    tensors = batch,
    outputs = [],
    isCut = false,
    head = 'whole',
    adapt = (graph) => graph,
  }: FixtureOptions = {},
): Promise<FixtureEvaluation> {
  using file = ModelFile.read(`${FOLDER}/${files[0]}`);
  const graph = adapt(file.graph);
  const trainable = graph.parameters.filter((parameter) => parameter.trainable);
  const chosen = head === 'chosen' ? chosenIn(graph) : undefined;
  const promoted = promote(
    chosen?.graph ?? graph,
    trainable.map(({ name }) => name),
  );
  const session = await runtime.createSession(promoted, { folder: FOLDER });
  using programs = new LossPrograms(runtime);
  using bound = session.bind(
    trainable.map(({ name, shape }) => ({ name, shape, value: initialValues(graph, name) })),
  );
  const logits: (readonly number[])[] = [];
  const watched = watch(bound, 'logits', (shape) => logits.push(shape));
  const forward: PositionForward = chosen === undefined ? watched : byPosition(watched, chosen.positions);
  const objective = findObjective(objectives[kind]);
  const output = scoredOutput(objective, graph.outputs, 'logits').name;
  const columns = ['input_ids', 'attention_mask', 'labels'] as const;
  const source = {
    kind: 'inline',
    tensors: new Map(
      columns.flatMap((name) => (tensors[name] ? [[name, rowsOf(tensors[name])] as const] : [])),
    ),
  } as const;
  // Dynamic quantization looks at all rows of a pass together, so that they are those of the framework's.
  const rowsPerMicroBatchMax = expected.from === 'onnxruntime' ? 16 : 2;
  const limits = { rowsPerMicroBatchMax, tokensPerMicroBatchMax: 4096 };
  const reach = objective.tokens && { of: 'labels', endOf: objective.tokens.endOf };
  const opened = openBatch(source, graph.inputs, '', { ...limits, ...(reach && { reach }) });
  const passes = [...opened.microBatches(isCut)];
  const tokensOfPasses = passes.map(({ feeds }) => feeds.input_ids.shape[1]);
  const options = { objective, output, outputs, programs, perExample: true, isCut };
  const evaluation = await evaluate(forward, opened, { ...options, replyBytesMax: 2 ** 24 });
  bound[Symbol.dispose]();
  await session.release();
  return { ...evaluation, tokensOfPasses, logits };
}

export function chosenIn(graph: ModelGraph): WithPositions {
  const found = withPositions(graph);
  if (found === undefined || 'why' in found) throw new Error(found?.why ?? 'no output scores positions');
  return found;
}

/** The same, and tells the shape of an output whenever it has been computed for somebody. */
export function watch(
  forward: BoundForward,
  output: string,
  tell: (shape: readonly number[]) => void,
): BoundForward {
  const told = <T extends Readonly<Record<string, { readonly shape: readonly number[] }>>>(outputs: T): T => {
    if (outputs[output] !== undefined) tell(outputs[output].shape);
    return outputs;
  };
  return {
    run: async (feeds, outputs) => told(await forward.run(feeds, outputs)),
    ...(forward.runWith && {
      runWith: (feeds, outputs, kept, use) =>
        forward.runWith!(feeds, outputs, kept, (results, left) => use(told(results), told(left))),
    }),
    [Symbol.dispose]: () => forward[Symbol.dispose](),
  };
}

export function expectLosses(
  { loss, perExampleLosses, perExampleTokens }: Evaluation,
  { expected }: Fixture,
): void {
  for (const [i, wanted] of expected.losses.entries())
    expect(Math.abs(perExampleLosses![i] / wanted - 1)).toBeLessThan(1e-4);
  expect(Math.abs(loss / expected.mean - 1)).toBeLessThan(1e-4);
  expect(perExampleTokens && [...perExampleTokens]).toEqual(expected.tokens);
}
