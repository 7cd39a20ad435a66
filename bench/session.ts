// What it costs that weights are inputs of a session and not its constants, and how much of it is that ONNX Runtime
// packs constants once: sessions of the same model, in this process and in turn. One thread, as processor time is
// what other work on the machine changes least.
import { InferenceSession, Tensor as OrtTensor } from 'onnxruntime-node';
import { readModel } from '../server/model/graph/graph.ts';
import { initialValues, promote } from '../server/model/graph/promote.ts';
import { selectTrainable } from '../server/model/graph/select.ts';
import type { Bench } from './bench.ts';
import { benchesOf, progress } from './rounds.ts';
import { tokens, transformerModel } from './transformer.ts';

const ROUNDS = 11;
const WARM_UP_ROUNDS = 1;
/** Of a sample, at least: small shapes run several times. */
const TOKENS = 1024;

const SHAPES = { '16x128': [16, 128], '4x128': [4, 128], '1x128': [1, 128], '1x16': [1, 16] } as const;

/** Each over a session of constants: weights as inputs, constants that are not packed, and another of constants. */
const KINDS = ['promoted.ratio', 'unpacked.ratio', 'aa'] as const;

type Shape = keyof typeof SHAPES;
type Kind = (typeof KINDS)[number];
type Name = `session.${Kind}.${Shape}`;
type Feeds = Readonly<Record<string, OrtTensor>>;
type Run = (feeds: Feeds) => Promise<unknown>;

const shapes = Object.keys(SHAPES) as Shape[];
const names = shapes.flatMap((shape) => KINDS.map((kind): Name => `session.${kind}.${shape}`));

export const sessionBenches: readonly Bench[] = benchesOf(
  names.map((name) => [name, 'x'] as const),
  measure,
);

async function measure(): Promise<Record<Name, number[]>> {
  const { constants, ...others } = await openSessions();
  const samples = Object.fromEntries(names.map((name) => [name, []])) as unknown as Record<Name, number[]>;
  for (let round = -WARM_UP_ROUNDS; round < ROUNDS; round++) {
    const figures: Record<string, number> = {};
    for (const shape of shapes) {
      const cost = await costOf(constants, shape);
      for (const kind of KINDS)
        figures[`session.${kind}.${shape}`] = (await costOf(others[kind], shape)) / cost;
    }
    progress('session', round, ROUNDS, figures);
    if (round >= 0) for (const name of names) samples[name].push(figures[name]);
  }
  return samples;
}

async function openSessions(): Promise<Record<'constants' | Kind, Run>> {
  const file = transformerModel();
  const [constants, same, unpacked] = [
    await open(file),
    await open(file),
    await open(file, { packs: false }),
  ];
  return {
    constants: (feeds) => constants.run(feeds),
    aa: (feeds) => same.run(feeds),
    'unpacked.ratio': (feeds) => unpacked.run(feeds),
    'promoted.ratio': await promoted(file),
  };
}

/** As the server does it. */
async function promoted(file: Uint8Array): Promise<Run> {
  const graph = readModel(file);
  const trainable = selectTrainable(graph, { include: [], exclude: [] });
  const all = trainable.map(({ name }) => name);
  const session = await open(promote(graph, all));
  const weights = Object.fromEntries(
    trainable.map(({ name, shape }) => [name, new OrtTensor(initialValues(graph, name), [...shape])]),
  );
  return (feeds) => session.run({ ...feeds, ...weights });
}

function open(model: Uint8Array, { packs = true } = {}): Promise<InferenceSession> {
  const extra = { session: { disable_prepacking: packs ? '0' : '1' } };
  return InferenceSession.create(model, { intraOpNumThreads: 1, extra });
}

/** Microseconds of processor time a pass. */
async function costOf(run: Run, shape: Shape): Promise<number> {
  const [rows, sequence] = SHAPES[shape];
  const { ids, mask } = tokens(rows, sequence);
  const feeds: Feeds = {
    input_ids: new OrtTensor(ids, [rows, sequence]),
    attention_mask: new OrtTensor(mask, [rows, sequence]),
  };
  const passes = Math.ceil(TOKENS / (rows * sequence));
  const start = process.cpuUsage();
  for (let pass = 0; pass < passes; pass++) await run(feeds);
  const { user, system } = process.cpuUsage(start);
  return (user + system) / passes;
}
