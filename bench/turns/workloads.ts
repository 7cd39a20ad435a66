// Real work at the bounds that settings.ts names, each measured for itself.
import type { DeepPartial } from '../../proto/gen/zeroth/v1/common.ts';
import { DataType } from '../../proto/gen/zeroth/v1/common.ts';
import { ExportFormat } from '../../proto/gen/zeroth/v1/run_service.ts';
import type { TrainingPlan } from '../../proto/gen/zeroth/v1/training_service.ts';
import { type Lab, ROWS, rowsOf, SHIFTS, shiftsOf } from './lab.ts';

/** pointsPerRequestMax */
const POINTS = 4096;
/** A reply of replyBytesMax holds so many losses of all rows. */
const POINTS_WITH_LOSSES = 28;
const UPLOAD_ROWS = 2 ** 18;
const UPLOAD_INPUTS = 64;

type Strategy = NonNullable<DeepPartial<TrainingPlan>['strategy']>;
type Workload = (lab: Lab) => Promise<unknown>;

/** Done in this order. */
export const workloads = {
  upload: ({ zeroth }) => zeroth.datasets.create(rowsOf(UPLOAD_ROWS, UPLOAD_INPUTS)),
  update: async ({ zeroth }) => {
    for (let i = 0; i < 5; i++)
      await zeroth.oracle.update({
        run: 'runs/short',
        shifts: shiftsOf(SHIFTS, i),
        requestId: crypto.randomUUID(),
      });
  },
  points: async (lab) => {
    const points = Array.from({ length: POINTS }, (_, i) => ({ shifts: shiftsOf(SHIFTS / POINTS, i) }));
    await lab.zeroth.oracle.evaluate({ run: 'runs/short', points, batch: await batch(lab, 1) });
  },
  losses: async (lab) => {
    const points = Array.from({ length: POINTS_WITH_LOSSES }, (_, i) => ({ shifts: shiftsOf(1, i) }));
    const perExampleLosses = true;
    await lab.zeroth.oracle.evaluate({
      run: 'runs/short',
      points,
      batch: await batch(lab),
      perExampleLosses,
    });
  },
  momentum: (lab) => training(lab, momentum, 35),
  svrg: (lab) => training(lab, svrg, 250),
  outputs: async (lab) => {
    const outputs = [{ dataType: DataType.DATA_TYPE_FLOAT16 }];
    const request = { run: 'runs/wide', points: [{}], outputs, batch: await batch(lab) };
    for await (const _ of lab.zeroth.oracle.outputs(request));
  },
  judge: async (lab) => {
    await using judge = lab.zeroth.objectives.serve('remote/bench', {}, ({ rows }) => rows.map(() => 1));
    await judge.served;
    const objective = { name: 'remote/bench' };
    await lab.zeroth.oracle.evaluate({ run: 'runs/wide', points: [{}], batch: await batch(lab), objective });
  },
  'journal.first': ({ zeroth }) => zeroth.runs.get('runs/long'),
  'journal.list': ({ zeroth }) => all(zeroth.journal.list('runs/long')),
  'journal.watch': async ({ zeroth }) => {
    const { revision } = await zeroth.runs.get('runs/long');
    for await (const entry of zeroth.journal.watch('runs/long')) if (entry.revision === revision) break;
  },
  'journal.export': ({ zeroth }) =>
    zeroth.runs.export({ name: 'runs/long', format: ExportFormat.EXPORT_FORMAT_JOURNAL }),
  'journal.replay': ({ zeroth }) => zeroth.journal.verify('runs/long'),
  fork: ({ zeroth }) => zeroth.runs.fork({ name: 'runs/long', runId: 'fork' }),
  delete: ({ zeroth }) => zeroth.runs.delete('runs/fork'),
  rollback: async ({ zeroth }) => {
    const decay = { factor: 0.999, seed: 1n };
    const run = 'runs/short';
    const { revision } = await zeroth.runs.get(run);
    await zeroth.oracle.update({ run, shifts: shiftsOf(1), decay, requestId: crypto.randomUUID() });
    await zeroth.runs.rollback({ name: run, revision, requestId: crypto.randomUUID() });
  },
  runs: ({ zeroth }) => all(zeroth.runs.list()),
} as const satisfies Record<string, Workload>;

/** As many points as a request may have, and a momentum of as many shifts as an update may have. */
const momentum: Strategy = {
  kind: {
    $case: 'zoSgdMomentum',
    value: { seed: 1n, learningRate: 1e-9, directions: POINTS / 2, window: SHIFTS / (POINTS / 2) },
  },
};

const svrg: Strategy = {
  kind: { $case: 'mezoSvrg', value: { seed: 1n, q: 100, eta1: 1e-9, eta2: 1e-9, anchorDirections: 1000 } },
};

async function training({ zeroth }: Lab, strategy: Strategy, steps: number): Promise<void> {
  const { dataset } = await zeroth.datasets.create(rowsOf(64));
  const budget = { $case: 'steps', value: BigInt(steps) } as const;
  const plan = { dataset: dataset.name, batchSize: 1, batchSeed: 1n, strategy, budget };
  const { name } = await zeroth.trainings.start({ run: 'runs/short', plan });
  const { stateReason } = await zeroth.trainings.finished(name);
  if (stateReason !== 'its budget is spent') throw new Error(`training: ${stateReason}`);
  await zeroth.trainings.delete(name);
}

async function batch({ zeroth }: Lab, rows = ROWS) {
  const { dataset } = await zeroth.datasets.create(rowsOf(ROWS));
  const selection = { $case: 'range', value: { start: 0n, end: BigInt(rows) } } as const;
  return { source: { $case: 'dataset', value: { dataset: dataset.name, selection } } } as const;
}

async function all(items: AsyncIterable<unknown>): Promise<void> {
  for await (const _ of items);
}
