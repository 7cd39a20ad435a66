// Trainings of settings.ts, a line of measured.jsonl each: `npm exec -- node examples/text-classification/measure.ts NAME SEED... [--states]
// [-- FLAGS]`. Behind the encoder every training has a server of its own, with these flags; --states trains a head alone on what
// the encoder says, kept once.
import { appendFile, copyFile, mkdir } from 'node:fs/promises';
import { loadavg } from 'node:os';
import { join } from 'node:path';
import { peakBytes } from '../../bench/memory.ts';
import { connect } from '../../client/client.ts';
import { ServerProcess } from '../server-process.ts';
import { follow, type Measured, type Setting } from './course.ts';
import { CLASSES, type Letters, MODEL, MODEL_FOLDER, readLetters } from './letters.ts';
import { MEASURED, type Measurement } from './measured.ts';
import { settings } from './settings.ts';
import { openStates } from './states.ts';

const MIB = 2 ** 20;

async function onStates(setting: Setting, seeds: readonly number[]): Promise<void> {
  const states = await openStates();
  await using zeroth = states.zeroth;
  for (const seed of seeds)
    await note(setting, seed, {
      ...(await follow(zeroth, { ...states, setting, seed: BigInt(seed) })),
      of: 'states',
    });
}

async function behindEncoder(
  letters: Letters,
  setting: Setting,
  { seed, flags }: { seed: number; flags: readonly string[] },
): Promise<void> {
  const withModel = async (folder: string) => {
    await mkdir(folder, { recursive: true });
    await copyFile(join(MODEL_FOLDER, MODEL), join(folder, MODEL));
  };
  await using server = await ServerProcess.start(withModel, flags);
  await using zeroth = connect(server.address);
  const { name: model } = await zeroth.models.load(MODEL);
  const { dataset: train } = await zeroth.datasets.create(letters.train.tensors);
  const { dataset: held } = await zeroth.datasets.create(letters.held.tensors);
  const head = { output: 'last_hidden_state', classes: CLASSES };
  const place = { model, head, train: train.name, held: held.name, wantsTrainLoss: false };
  const measured = await follow(zeroth, { ...place, setting, seed: BigInt(seed) });
  const peakMiB = Math.round(peakBytes(server.pid) / MIB);
  await note(setting, seed, { ...measured, of: 'encoder', peakMiB, load: loadavg()[1] });
}

async function note(
  { name }: Setting,
  seed: number,
  measured: Measured & Pick<Measurement, 'of' | 'peakMiB' | 'load'>,
): Promise<void> {
  await appendFile(MEASURED, `${JSON.stringify({ name, seed, ...measured })}\n`);
  const course = measured.looks.map(([, , accuracy]) => (100 * accuracy).toFixed(1)).join(' ');
  console.log(`${name}, seed ${seed}: ${course} ${measured.ended ?? ''}`);
}

const own = process.argv.slice(2);
const end = own.includes('--') ? own.indexOf('--') : own.length;
const [name, ...rest] = own.slice(0, end);
const seeds = rest.filter((each) => each !== '--states').map(Number);
const setting = settings.find((each) => each.name === name);
if (setting === undefined || seeds.length === 0 || !seeds.every(Number.isSafeInteger))
  throw new Error(`expected one of ${settings.map((each) => each.name).join(', ')}, and seeds`);
if (rest.includes('--states')) await onStates(setting, seeds);
else {
  const letters = await readLetters();
  for (const seed of seeds) await behindEncoder(letters, setting, { seed, flags: own.slice(end + 1) });
}
