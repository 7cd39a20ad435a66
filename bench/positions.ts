// What it saves that chosen positions alone go through the head of a language model: losses of the same rows by a session that chooses
// and by one that does not, in this process and in turn. Two losses are a step of MeZO, but for its moves. One thread, as processor time is
// what other work on the machine changes least.
import { openBatch } from '../server/model/batch/batch.ts';
import { evaluate } from '../server/model/forward/evaluate.ts';
import { byPosition, type PositionForward } from '../server/model/forward/position-forward.ts';
import { LossPrograms } from '../server/model/forward/score.ts';
import { type ModelGraph, readModel } from '../server/model/graph/graph.ts';
import { withPositions } from '../server/model/graph/positions.ts';
import { initialValues, promote } from '../server/model/graph/promote.ts';
import { findObjective } from '../server/model/objective/objectives.ts';
import { openRuntime } from '../server/runtime/open.ts';
import type { Runtime } from '../server/runtime/runtime.ts';
import type { Tensor } from '../server/tensor.ts';
import type { Bench } from './bench.ts';
import { benchesOf, progress } from './rounds.ts';
import { tokens, transformerModel } from './transformer.ts';

const [ROWS, SEQUENCE] = [16, 128];
const ROUNDS = 7;
const WARM_UP_ROUNDS = 1;
const NONE = -100n;

/** Of BERT's pretraining; and all of them, where there is nothing to save. */
const SHARES = { masked: 0.15, all: 1 } as const;

/** Each over the whole head; the control is that beside itself. */
const names = ['positions.masked.ratio', 'positions.all.ratio', 'positions.control'] as const;
type Name = (typeof names)[number];

export const positionsBenches: readonly Bench[] = benchesOf(
  names.map((name) => [name, 'x'] as const),
  measure,
);

async function measure(): Promise<Record<Name, number[]>> {
  const graph = readModel(transformerModel({ head: 'vocabulary' }));
  const runtime = openRuntime({ runtime: 'capi', device: 'cpu', threads: 1 });
  const programs = new LossPrograms(runtime);
  const [whole, chosen] = [await openForward(runtime, graph, false), await openForward(runtime, graph, true)];
  const cost = async (forward: PositionForward, share: number) => {
    const start = process.cpuUsage();
    await lossOf(forward, graph, programs, rowsWith(share));
    const { user, system } = process.cpuUsage(start);
    return user + system;
  };
  const samples: Record<Name, number[]> = {
    'positions.masked.ratio': [],
    'positions.all.ratio': [],
    'positions.control': [],
  };
  for (let round = -WARM_UP_ROUNDS; round < ROUNDS; round++) {
    const [before, masked, after] = [
      await cost(whole, SHARES.masked),
      await cost(chosen, SHARES.masked),
      await cost(whole, SHARES.masked),
    ];
    const [all, allChosen] = [await cost(whole, SHARES.all), await cost(chosen, SHARES.all)];
    const figures: Record<Name, number> = {
      'positions.masked.ratio': (2 * masked) / (before + after),
      'positions.all.ratio': allChosen / all,
      'positions.control': after / before,
    };
    progress('positions', round, ROUNDS, figures);
    if (round >= 0) for (const name of names) samples[name].push(figures[name]);
  }
  return samples;
}

/** As a run has it: weights are inputs. */
async function openForward(
  runtime: Runtime,
  graph: ModelGraph,
  isChoosing: boolean,
): Promise<PositionForward> {
  const found = isChoosing ? withPositions(graph) : undefined;
  if (found !== undefined && 'why' in found) throw new Error(found.why);
  const trainable = graph.parameters.filter((parameter) => parameter.trainable);
  const session = await runtime.createSession(
    promote(
      found?.graph ?? graph,
      trainable.map(({ name }) => name),
    ),
  );
  const weights = trainable.map(({ name, shape }) => ({ name, shape, value: initialValues(graph, name) }));
  const forward = session.bind(weights);
  return found === undefined ? forward : byPosition(forward, found.positions);
}

type Rows = ReadonlyMap<string, Tensor>;

/** Labels at a share of all tokens, every row alike. */
function rowsWith(share: number): Rows {
  const { ids, mask } = tokens(ROWS, SEQUENCE);
  const isLabelled = (i: number) => Math.floor((i + 1) * share) > Math.floor(i * share);
  const labels = ids.map((id, i) => (isLabelled(i % SEQUENCE) ? id : NONE));
  const columns = { input_ids: ids, attention_mask: mask, labels };
  return new Map(
    Object.entries(columns).map(([name, { buffer }]) => [
      name,
      { dataType: 'int64', shape: [ROWS, SEQUENCE], data: new Uint8Array(buffer) },
    ]),
  );
}

async function lossOf(
  forward: PositionForward,
  graph: ModelGraph,
  programs: LossPrograms,
  tensors: Rows,
): Promise<number> {
  const limits = { rowsPerMicroBatchMax: ROWS, tokensPerMicroBatchMax: ROWS * SEQUENCE };
  const batch = openBatch({ kind: 'inline', tensors }, graph.inputs, '', limits);
  const objective = findObjective('masked_lm');
  const options = { objective, output: 'logits', perExample: false, outputs: [], isCut: false, programs };
  return (await evaluate(forward, batch, { ...options, replyBytesMax: 0 })).loss;
}
