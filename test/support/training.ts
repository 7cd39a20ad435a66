// One small training by MeZO-SVRG, to be had in several places.
import type { Zeroth } from '../../client/client.ts';
import { train } from '../../client/train.ts';
import { mezoSvrg } from '../../server/strategy/mezo-svrg.ts';
import { OBJECTIVE, ROWS, tinyData } from './fixture-server.ts';

const STEPS = 40;

/** The tiny model loaded, a run of it, and reports of its training as they are asked for. */
export async function startTraining(zeroth: Zeroth) {
  const { name: model } = await zeroth.models.load('mlp.onnx');
  const { dataset } = await zeroth.datasets.create(tinyData());
  const { name: run } = await zeroth.runs.create({ model, runId: 'trained', objective: OBJECTIVE });
  const reports = train(zeroth, {
    run,
    dataset: { name: dataset.name, rows: ROWS },
    strategy: mezoSvrg({ q: 5, eta1: 1e-2, eta2: 5e-3, anchorDirections: 2, seed: 7n }),
    batchSize: 8,
    batchSeed: 3n,
    trainingId: 'training',
    budget: { steps: STEPS },
  });
  return { run, reports };
}

/** What has to be the same wherever it was trained: all but the times. */
export async function outcomeOf(zeroth: Zeroth, run: string) {
  const entries = await Array.fromAsync(zeroth.journal.list(run), ({ time, ...entry }) => entry);
  const { revision, weightsSha256, baseSha256 } = await zeroth.journal.verify(run);
  return { entries, revision, weightsSha256, baseSha256 };
}
