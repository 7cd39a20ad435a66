// What the encoder says of every letter, kept once: a head alone trains on that as it would behind the encoder, in seconds.
import { existsSync } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import type { Zeroth } from '../../client/client.ts';
import { toBatch } from '../../client/convert.ts';
import { openLocal } from '../../client/local.ts';
import { toFloat32, toTensor } from '../../client/tensor.ts';
import type { TokenTable } from '../../client/text/tokenize.ts';
import { GraphWriter } from '../../server/onnx/graph-writer.ts';
import type { Course } from './course.ts';
import { CLASSES, DATA, MODEL, MODEL_FOLDER, readLetters } from './letters.ts';

const FOLDER = `${DATA}states`;
const HIDDEN = 384;
const OUTPUT = 'last_hidden_state';
/** Letters of a request: 32 of 64 tokens are 3 MiB of states, of the 4 MiB that a reply may have. */
const ROWS = 32;

export type States = Omit<Course, 'setting' | 'seed'> & { readonly zeroth: Zeroth };

/** Held for as long as the process runs. */
export async function openStates(): Promise<States> {
  const letters = await readLetters();
  await mkdir(FOLDER, { recursive: true });
  const train = await kept('train', letters.train);
  const held = await kept('held-out', letters.held);
  await writeFile(`${FOLDER}/${MODEL}`, passThrough());
  const zeroth = await openLocal({ modelDir: FOLDER, dataDir: ':memory:', threads: 1 });
  const { name: model } = await zeroth.models.load(MODEL);
  const upload = async (states: Float32Array, { tensors, rows }: TokenTable) => {
    const of = { pooled: toTensor(states, [rows, HIDDEN]), labels: tensors.labels };
    return (await zeroth.datasets.create(of)).dataset.name;
  };
  const head = { output: 'states', classes: CLASSES };
  const datasets = { train: await upload(train, letters.train), held: await upload(held, letters.held) };
  return { zeroth, model, head, ...datasets, wantsTrainLoss: true };
}

async function kept(name: string, table: TokenTable): Promise<Float32Array> {
  const file = `${FOLDER}/${name}.f32`;
  if (existsSync(file)) return toFloat32(await readFile(file));
  const states = await statesOf(table);
  await writeFile(file, states);
  return states;
}

/** The mean over a letter's tokens, [rows, 384], row by row. */
async function statesOf({ tensors, rows }: TokenTable): Promise<Float32Array> {
  await using zeroth = await openLocal({ modelDir: MODEL_FOLDER, dataDir: ':memory:' });
  const { name: model } = await zeroth.models.load(MODEL);
  const { dataset } = await zeroth.datasets.create(tensors);
  const { name: run } = await zeroth.runs.create({
    model,
    objective: { name: 'cross_entropy', output: 'logits' },
    head: { output: OUTPUT, classes: CLASSES },
    trainable: { include: ['classifier.*'] },
  });
  const mask = new BigInt64Array(Uint8Array.from(tensors.attention_mask.data).buffer);
  const length = mask.length / rows;
  const states = new Float32Array(rows * HIDDEN);
  for (let start = 0; start < rows; start += ROWS) {
    const indices = Array.from({ length: Math.min(ROWS, rows - start) }, (_, i) => start + i);
    const batch = toBatch(dataset.name, indices);
    const { results } = await zeroth.oracle.evaluate({ run, points: [{}], batch, outputs: [OUTPUT] });
    const tokens = toFloat32(results[0].outputs[OUTPUT].data);
    const size = tokens.length / indices.length;
    for (const [i, row] of indices.entries()) {
      const shown = mask.subarray(row * length, (row + 1) * length).filter((each) => each === 1n).length;
      states.set(mean(tokens.subarray(i * size), shown), row * HIDDEN);
    }
  }
  return states;
}

/** Of the first states; padding is on the right. */
function mean(tokens: Float32Array, count: number): Float32Array {
  const sum = new Float32Array(HIDDEN);
  for (let at = 0; at < count; at++)
    for (let k = 0; k < HIDDEN; k++) sum[k] += tokens[at * HIDDEN + k] / count;
  return sum;
}

/** "states", float32 [n, 384], as they come: a new head has something to stand behind. */
function passThrough(): Uint8Array {
  const graph = new GraphWriter(18);
  graph.add('Identity', [graph.input('pooled', ['n', HIDDEN], 'float32')], {}, 'states');
  graph.output('states', ['n', HIDDEN]);
  return graph.finish();
}
