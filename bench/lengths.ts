// What it saves to pass rows by length and without padding, and what a pass costs beside its tokens.
import { availableParallelism } from 'node:os';
import { openBatch } from '../server/model/batch/batch.ts';
import { evaluate } from '../server/model/forward/evaluate.ts';
import { type ModelGraph, readModel } from '../server/model/graph/graph.ts';
import { initialValues, promote } from '../server/model/graph/promote.ts';
import { findObjective } from '../server/model/objective/objectives.ts';
import { openRuntime } from '../server/runtime/open.ts';
import type { Forward } from '../server/runtime/runtime.ts';
import { settings } from '../server/settings.ts';
import type { Tensor } from '../server/tensor.ts';
import type { Bench } from './bench.ts';
import { tokens, transformerModel } from './transformer.ts';

const WIDTH = 128;
/** Lengths from 8 to 128, in no order of theirs. */
const LENGTHS = Array.from({ length: 64 }, (_, i) => 8 + Math.round((((i * 37) % 64) * 120) / 63));
const ROUNDS = 7;
const WARM_UP_ROUNDS = 1;

/** Rows of 32 tokens: one pass of as little as there is, and one of a thousand tokens. */
const SHORT = 32;
const [FEW, MANY] = [1, 32];
/** A short pass is over soon, and its minimum is wanted. */
const REPETITIONS = 5;

const names = ['batch.lengths.ratio', 'batch.lengths.control', 'batch.pass.tokens'] as const;
type Name = (typeof names)[number];

/** All in turn, so that a slow spell of the machine falls on all of them. */
let measured: Promise<Record<Name, number[]>> | undefined;

export const lengthsBenches: readonly Bench[] = names.map((name) => ({
  name,
  unit: name === 'batch.pass.tokens' ? 'tokens' : 'ratio',
  run: async (report) => {
    measured ??= measure();
    for (const value of (await measured)[name]) report(value);
  },
}));

/** Each round: with padding, without, and with padding again, which is the control. */
async function measure(): Promise<Record<Name, number[]>> {
  const graph = readModel(transformerModel());
  const forward = await promotedForward(graph);
  const mixed = rowsOf(LENGTHS, WIDTH);
  const few = rowsOf(Array(FEW).fill(SHORT), SHORT);
  const many = rowsOf(Array(MANY).fill(SHORT), SHORT);
  const time = (rows: Rows, isCut: boolean) => timeOf(() => lossOf(forward, graph, rows, isCut));
  const samples: Record<Name, number[]> = {
    'batch.lengths.ratio': [],
    'batch.lengths.control': [],
    'batch.pass.tokens': [],
  };
  for (let round = -WARM_UP_ROUNDS; round < ROUNDS; round++) {
    const before = await time(mixed, false);
    const cut = await time(mixed, true);
    const after = await time(mixed, false);
    const [short, long] = [await least(() => time(few, false)), await least(() => time(many, false))];
    if (round < 0) continue;
    samples['batch.lengths.ratio'].push((2 * cut) / (before + after));
    samples['batch.lengths.control'].push(after / before);
    const ofToken = (long - short) / (SHORT * (MANY - FEW));
    samples['batch.pass.tokens'].push(short / ofToken - SHORT * FEW);
  }
  return samples;
}

type Rows = ReadonlyMap<string, Tensor>;

function rowsOf(lengths: readonly number[], width: number): Rows {
  const rows = lengths.length;
  const { ids, mask, labels } = tokens(rows, width);
  for (const [row, length] of lengths.entries()) {
    ids.fill(0n, row * width + length, (row + 1) * width);
    mask.fill(0n, row * width + length, (row + 1) * width);
  }
  return new Map([
    ['input_ids', int64([rows, width], ids)],
    ['attention_mask', int64([rows, width], mask)],
    ['labels', int64([rows], labels)],
  ]);
}

function int64(shape: readonly number[], values: BigInt64Array): Tensor {
  return { dataType: 'int64', shape, data: new Uint8Array(values.buffer) };
}

/** As a run has it: weights are inputs. */
async function promotedForward(graph: ModelGraph): Promise<Forward> {
  const trainable = graph.parameters.filter((parameter) => parameter.trainable);
  const threads = availableParallelism();
  const session = await openRuntime({ runtime: 'capi', device: 'cpu', threads }).createSession(
    promote(
      graph,
      trainable.map(({ name }) => name),
    ),
  );
  return session.bind(
    trainable.map(({ name, shape }) => ({ name, shape, value: initialValues(graph, name) })),
  );
}

async function lossOf(forward: Forward, graph: ModelGraph, tensors: Rows, isCut: boolean): Promise<number> {
  const batch = openBatch({ kind: 'inline', tensors }, graph.inputs, '', {
    rowsPerMicroBatchMax: settings.rowsPerMicroBatchMax.default,
    tokensPerMicroBatchMax: settings.tokensPerMicroBatchMax.default,
  });
  const { loss } = await evaluate(forward, batch, {
    objective: findObjective('cross_entropy'),
    output: 'logits',
    perExample: false,
    outputs: [],
    isCut,
    replyBytesMax: 0,
  });
  return loss;
}

async function timeOf(work: () => Promise<unknown>): Promise<number> {
  const start = performance.now();
  await work();
  return performance.now() - start;
}

async function least(time: () => Promise<number>): Promise<number> {
  const times: number[] = [];
  for (let i = 0; i < REPETITIONS; i++) times.push(await time());
  return Math.min(...times);
}
