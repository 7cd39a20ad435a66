// All trainings of this server: begun, found, forgotten, and gone on with after a restart.
import type { Config } from '../config.ts';
import type { DatasetStore } from '../dataset/store.ts';
import { notFound, ZerothError } from '../errors.ts';
import type { Journal } from '../journal/journal.ts';
import type { StoredTraining } from '../journal/training-log.ts';
import { UNSERVED } from '../judge/remote-objective.ts';
import type { Log } from '../log.ts';
import { randomId } from '../names.ts';
import type { Run } from '../run/run.ts';
import type { Runs } from '../run/runs.ts';
import { Sweeper } from '../run/sweeper.ts';
import { HEAD } from '../shift.ts';
import { Driver } from '../strategy/driver.ts';
import { strategyOf } from '../strategy/index.ts';
import { decode, encode } from '../text.ts';
import type { ObjectiveChoice } from '../worker/messages.ts';
import { Book } from './book.ts';
import { checkDecays, checkPoints, type StepLimits } from './limits.ts';
import type { TrainingPlan, TrainingStatus } from './plan.ts';
import { Training } from './training.ts';

export type TrainingsContext = {
  readonly config: StepLimits &
    Pick<Config, 'trainingsMax' | 'trainingEventsMax' | 'shutdownGraceMs' | 'remoteWaitMs'>;
  readonly journal: Journal;
  readonly datasets: DatasetStore;
  readonly log: Log;
  readonly now: () => number;
};

export type StartRequest = {
  readonly run: Run;
  /** Empty means one is chosen. */
  readonly id: string;
  readonly plan: TrainingPlan;
};

export class Trainings {
  readonly #context: TrainingsContext;
  readonly #runs: Runs;
  readonly #sweeper: Sweeper;
  readonly #trainings = new Map<string, Training>();
  /** Runs whose training is being begun. */
  readonly #beginning = new Set<string>();

  constructor(context: TrainingsContext, runs: Runs) {
    this.#context = context;
    this.#runs = runs;
    this.#sweeper = new Sweeper(context.journal, context.log);
  }

  /** Goes on with those that were running when the server ended. To be called once the runs are there. */
  load(): void {
    for (const stored of this.#context.journal.trainings.list()) this.#add(stored);
    for (const training of this.list()) if (training.status.state === 'running') training.go();
  }

  get(name: string): Training {
    const training = this.#trainings.get(name);
    if (training === undefined) throw notFound(name);
    return training;
  }

  /** In the order of their names. */
  list(run = ''): Training[] {
    const trainings = [...this.#trainings.values()].filter((each) => run === '' || each.run.name === run);
    return trainings.sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  /** @throws ZerothError naming the field of the request that cannot be. */
  async start({ run, id, plan }: StartRequest): Promise<Training> {
    this.#checkFree(run);
    this.#beginning.add(run.name);
    try {
      await this.#tryOut(run, plan);
      const name = `${run.name}/trainings/${id === '' ? randomId('training') : id}`;
      if (!this.#trainings.has(name)) this.#checkUnused(run, id);
      const training = this.#create(run, name, plan);
      training.go();
      return training;
    } finally {
      this.#beginning.delete(run.name);
    }
  }

  /** One that is about to halt goes on once it has. */
  async resume(training: Training): Promise<void> {
    await training.halted();
    if (this.#trainings.get(training.name) !== training) throw notFound(training.name);
    if (training.isLive) return;
    if (training.status.state === 'completed' || training.status.state === 'stopped') {
      const got = `got one that is ${training.status.state}`;
      throw precondition(training, `expected one that is paused or has failed, ${got}`);
    }
    this.#checkFree(training.run, training);
    training.go();
  }

  /** What it did to the run stays. */
  async delete(training: Training): Promise<void> {
    if (training.status.state === 'running')
      throw precondition(training, 'expected one that is not running; StopTraining ends it');
    await training.dropSnapshots();
    // First: where it stays in the journal, it stays.
    this.#context.journal.trainings.delete(training.name);
    this.#sweeper.begin();
    this.#trainings.delete(training.name);
    await training.abandon();
  }

  /** The run is about to be deleted, and its trainings with it. */
  async abandonAll(run: string): Promise<void> {
    for (const training of this.list(run)) {
      this.#trainings.delete(training.name);
      await training.abandon();
    }
  }

  /** Those that run go on after the next start. */
  async close(): Promise<void> {
    const { shutdownGraceMs } = this.#context.config;
    this.#sweeper.close();
    await Promise.all(this.list().map((training) => training.close(shutdownGraceMs)));
  }

  #checkFree(run: Run, but?: Training): void {
    const others = this.list(run.name).filter((each) => each !== but);
    const running = others.find(({ status }) => status.state === 'running');
    if (running === undefined && !this.#beginning.has(run.name)) return;
    const message = `${run.name} is being trained already${running === undefined ? '' : ` by ${running.name}`}`;
    throw new ZerothError('run-in-training', message, { resource: run.name });
  }

  /** Its updates would be taken for those of an earlier training. */
  #checkUnused(run: Run, id: string): void {
    const known = id === '' ? undefined : this.#context.journal.findRequest(run.name, `${id}/1`);
    if (known === undefined) return;
    const message = `training_id: expected one that ${run.name} has not seen, got that of revision ${known.revision}`;
    throw new ZerothError('request-id-reused', message, { field: 'training_id', resource: run.name });
  }

  /** Whatever can be wrong with a plan is told now, and not after a thousand steps: a row of each dataset is evaluated. */
  async #tryOut(run: Run, plan: TrainingPlan): Promise<void> {
    const { strategy, batches, budget, evaluation, objective } = plan;
    const { points } = new Driver({
      strategy: strategyOf(strategy.name).create(strategy.options),
      rows: this.#rowsOf(plan.dataset),
      batchSize: batches.size,
      batchSeed: batches.seed,
      budget,
    }).ask();
    checkPoints(points, this.#context.config);
    checkDecays(run, strategy);
    await tryRow(run, plan.dataset, objective, 'plan');
    if (evaluation === undefined) return;
    this.#rowsOf(evaluation.dataset);
    await tryRow(run, evaluation.dataset, evaluation.objective ?? objective, 'plan.evaluation');
  }

  #create(run: Run, name: string, plan: TrainingPlan): Training {
    const { journal, now, config } = this.#context;
    const { trainingsMax } = config;
    if (this.#trainings.size >= trainingsMax)
      throw new ZerothError(
        'exhausted',
        `there is no room for another training (trainingsMax is ${trainingsMax}); delete one first`,
      );
    const place = {
      state: strategyOf(plan.strategy.name).create(plan.strategy.options).start(),
      step: 0,
      examplesForwarded: 0,
    };
    const status: TrainingStatus = {
      state: 'paused',
      reason: '',
      place,
      revision: run.history.head,
      last: undefined,
      best: undefined,
      worse: 0,
      events: 0,
    };
    const stored = { name, run: run.name, plan: encode(plan), status: encode(status), createTimeMs: now() };
    journal.trainings.create(stored);
    return this.#add(stored);
  }

  #add({ name, run, plan, status, createTimeMs }: StoredTraining): Training {
    const { journal, now, log, config } = this.#context;
    const book = new Book({
      name,
      run,
      status: decode(status),
      journal,
      now,
      eventsMax: config.trainingEventsMax,
    });
    const training = new Training({
      name,
      run: this.#runs.get(run),
      plan: decode(plan),
      createTimeMs,
      book,
      log,
      limits: config,
      remoteWaitMs: config.remoteWaitMs,
      rowsOf: (dataset) => this.#rowsOf(dataset),
    });
    this.#trainings.set(name, training);
    return training;
  }

  /** The first dimension of its tensors. @throws ZerothError not-found. */
  #rowsOf(dataset: string): number {
    return this.#context.datasets.get(dataset).rows;
  }
}

/** @throws ZerothError whose field is that of the plan, where it is about the batch or the objective. */
async function tryRow(
  run: Run,
  dataset: string,
  objective: ObjectiveChoice | undefined,
  path: string,
): Promise<void> {
  const batch = { kind: 'dataset', dataset, rows: { kind: 'range', start: 0, end: 1 } } as const;
  const points = [{ anchor: HEAD, shifts: [] }];
  await run
    .step(undefined, {
      points,
      batch,
      objective,
      revision: undefined,
      perExampleLosses: false,
      outputs: [],
    })
    .catch((error: unknown) => {
      if (!(error instanceof ZerothError)) throw error;
      // What a client would need is known when it is there: the training waits for it.
      if (UNSERVED.has(error.details.reason ?? '')) return;
      throw new ZerothError(
        error.kind,
        `${path}: a row of ${dataset}: ${error.message}`,
        error.details,
        error,
      );
    });
}

function precondition({ name }: Training, message: string): ZerothError {
  return new ZerothError('training-state', `${name}: ${message}`, { resource: name });
}
