// A strategy driven over the wire: one round trip a round, and most steps have one round.
import type { DeepPartial, UpdateRequest } from '../proto/gen/zeroth/v1/oracle_service.ts';
import { inOrder } from '../server/strategy/actions.ts';
import { type Budget, Driver, type Place } from '../server/strategy/driver.ts';
import type { Action, StepReport, Strategy } from '../server/strategy/strategy.ts';
import type { Zeroth } from './client.ts';
import { toBatch, toWirePoint } from './convert.ts';
import type { Drive } from './drive.ts';

/** What is trained, on which rows, how, and for how long. */
export type TrainOptions<State> = {
  /** "runs/*" */
  readonly run: string;
  /** As `datasets.create` and `datasets.get` give it. */
  readonly dataset: {
    /** "datasets/*" */
    readonly name: string;
    /** How many there are. */
    readonly rows: bigint | number;
  };
  /** Which points are evaluated, and what is made of their losses. */
  readonly strategy: Strategy<State>;
  /** Rows of a mini-batch. */
  readonly batchSize: number;
  /** uint64: which rows come when. */
  readonly batchSeed: bigint;
  /** Unique within the run. Updates carry `trainingId/step`, so that none is ever applied twice. */
  readonly trainingId: string;
  /** Ends before the step that would exceed it. */
  readonly budget: Budget;
  /** Where an earlier training of the same id and options was left. */
  readonly from?: Position<State>;
  /** Ends with its reason. What has not been sent then is in the last report's position. */
  readonly signal?: AbortSignal | undefined;
};

export type { Budget } from '../server/strategy/driver.ts';

/** Plain data, as a strategy's state is: enough to go on from, in this process or another. */
export type Position<State> = Place<State> & {
  /** What the run has yet to be told. */
  readonly actions: readonly Action[];
  /** Which they follow from. */
  readonly revision: bigint;
};

/** Of one step. */
export type TrainReport<State> = StepReport & {
  /** Since the beginning of the training. */
  readonly totalExamplesForwarded: number;
  /** From the questions to the answers, the update of the step before included. */
  readonly seconds: number;
  /** Where the losses were measured. The step's own update comes after it. */
  readonly revision: bigint;
  /** For `from`, to go on behind this step. */
  readonly position: Position<State>;
};

/**
 * Trains a run, a report a step. The update of a step goes out together with the evaluation of the
 * next, and that of the last one when the generator ends or is left.
 * @throws ZerothCallError, ZerothError naming an option.
 * @example
 * for await (const { step, loss } of train(zeroth, options)) console.log(step, loss);
 */
export async function* train<State>(
  zeroth: Zeroth,
  options: TrainOptions<State>,
): AsyncGenerator<TrainReport<State>, void> {
  const { dataset, from, signal, ...rest } = options;
  const driver = new Driver({ ...rest, rows: Number(dataset.rows), from });
  let position: Position<State> = from ?? { ...driver.place, actions: [], revision: 0n };
  using drive = zeroth.oracle.drive();

  while (!driver.isSpent) {
    signal?.throwIfAborted();
    const report = await oneStep(zeroth, options, { position, driver, drive });
    position = report.position;
    let isLeft = true;
    try {
      yield report;
      isLeft = false;
    } finally {
      if (isLeft && !signal?.aborted) await settle(zeroth, options, position);
    }
  }
  await settle(zeroth, options, position);
}

type Asked<State> = {
  readonly position: Position<State>;
  readonly driver: Driver<State>;
  readonly drive: Drive;
};

/** What the run has yet to be told goes out with the first round. */
async function oneStep<State>(
  zeroth: Zeroth,
  options: TrainOptions<State>,
  { position, driver, drive }: Asked<State>,
): Promise<TrainReport<State>> {
  const { run, dataset, signal } = options;
  const start = performance.now();
  for (let update = await perform(zeroth, options, position); ; update = undefined) {
    const { points, rows } = driver.ask();
    const evaluate = {
      run,
      points: points.map((point) => toWirePoint(run, point)),
      batch: toBatch(dataset.name, rows),
    };
    const { evaluate: answer } = await drive.step({ ...(update && { update }), evaluate }, { signal });
    const { results, revision } = answer!;
    const losses = results.map(({ loss }) => loss);
    const done = driver.tell(losses, Number(results[0].examples));
    if (done === undefined) continue;
    return {
      ...done.report,
      totalExamplesForwarded: done.place.examplesForwarded,
      seconds: (performance.now() - start) / 1000,
      revision,
      position: { ...done.place, actions: done.actions, revision },
    };
  }
}

/**
 * Takes the snapshot that a strategy asked for, and returns its update unsent. A snapshot names the
 * revision it is meant for, so that doing it all once more, after a crash, ends in the same place.
 */
async function perform<State>(
  zeroth: Zeroth,
  { run, trainingId, signal }: TrainOptions<State>,
  { actions, step, revision }: Position<State>,
): Promise<DeepPartial<UpdateRequest> | undefined> {
  const { snapshot, decay, update } = inOrder(actions);
  if (snapshot !== undefined) await zeroth.runs.snapshot(run, snapshot.name, revision, { signal });
  if (decay === undefined && update === undefined) return undefined;
  return {
    run,
    ...(decay && { decay: { factor: decay.factor, seed: decay.seed, exclude: [...decay.exclude] } }),
    shifts: [...(update?.shifts ?? [])],
    requestId: `${trainingId}/${step}`,
  };
}

async function settle<State>(
  zeroth: Zeroth,
  options: TrainOptions<State>,
  position: Position<State>,
): Promise<void> {
  const update = await perform(zeroth, options, position);
  if (update !== undefined) await zeroth.oracle.update(update, { signal: options.signal });
}
