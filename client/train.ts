// A strategy driven over the wire: one round trip a round, and most steps have one round.
import type { UpdateRequest } from '../proto/gen/zeroth/v1/oracle_service.ts';
import { ZerothError } from '../server/errors.ts';
import { batchRows, costOf } from '../server/strategy/batches.ts';
import type { Action, BatchChoice, StepReport, Strategy } from '../server/strategy/strategy.ts';
import type { Zeroth } from './client.ts';
import { toBatch, toWirePoint } from './convert.ts';
import type { Drive } from './drive.ts';

export type TrainOptions<State> = {
  /** "runs/*" */
  readonly run: string;
  readonly dataset: { readonly name: string; readonly rows: bigint | number };
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

/** Steps or examples forwarded, those before `from` included. */
export type Budget = { readonly steps: number } | { readonly examples: number };

/** Plain data, as a strategy's state is: enough to go on from, in this process or another. */
export type Position<State> = {
  readonly state: State;
  readonly step: number;
  readonly examplesForwarded: number;
  /** What the run has yet to be told, and the revision that it follows from. */
  readonly actions: readonly Action[];
  readonly revision: bigint;
};

export type TrainReport<State> = StepReport & {
  /** Since the beginning of the training. */
  readonly totalExamplesForwarded: number;
  /** From the questions to the answers, the update of the step before included. */
  readonly seconds: number;
  /** Where the losses were measured. The step's own update comes after it. */
  readonly revision: bigint;
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
  const { dataset, strategy, budget, batchSize, batchSeed, signal } = options;
  const rows = Number(dataset.rows);
  const rowsOf = batchRows({ rows, batchSize, seed: batchSeed });
  let position = options.from ?? begin(strategy);
  using drive = zeroth.oracle.drive();

  for (;;) {
    const cost = costOf(strategy.ask(position.state), { rows, batchSize });
    if (isSpent(budget, position, cost)) break;
    signal?.throwIfAborted();
    const report = await oneStep(zeroth, options, { position, rowsOf, drive });
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

function begin<State>(strategy: Strategy<State>): Position<State> {
  return { state: strategy.start(), step: 0, examplesForwarded: 0, actions: [], revision: 0n };
}

function isSpent(budget: Budget, position: Position<unknown>, cost: number): boolean {
  return 'steps' in budget
    ? position.step >= budget.steps
    : position.examplesForwarded + cost > budget.examples;
}

type Asked<State> = {
  readonly position: Position<State>;
  readonly rowsOf: (choice: BatchChoice) => readonly number[] | undefined;
  readonly drive: Drive;
};

/** What the run has yet to be told goes out with the first round. */
async function oneStep<State>(
  zeroth: Zeroth,
  options: TrainOptions<State>,
  asked: Asked<State>,
): Promise<TrainReport<State>> {
  const start = performance.now();
  let { position } = asked;
  for (;;) {
    const { told, revision } = await oneRound(zeroth, options, { ...asked, position });
    const { state, actions, report } = told;
    position = { ...position, state, actions, revision };
    if (report === undefined) continue;
    const examplesForwarded = position.examplesForwarded + report.examplesForwarded;
    return {
      ...report,
      totalExamplesForwarded: examplesForwarded,
      seconds: (performance.now() - start) / 1000,
      revision,
      position: { ...position, step: position.step + 1, examplesForwarded },
    };
  }
}

async function oneRound<State>(
  zeroth: Zeroth,
  options: TrainOptions<State>,
  { position, rowsOf, drive }: Asked<State>,
) {
  const { run, dataset, strategy, signal } = options;
  const { points, batch } = strategy.ask(position.state);
  const evaluate = {
    run,
    points: points.map((point) => toWirePoint(run, point)),
    batch: toBatch(dataset.name, rowsOf(batch)),
  };
  const update = await perform(zeroth, options, position);
  const { evaluate: answer } = await drive.step({ ...(update && { update }), evaluate }, { signal });
  const { results, revision } = answer!;
  const losses = results.map((result) => result.loss);
  return { told: strategy.tell(position.state, { losses, examples: Number(results[0].examples) }), revision };
}

/**
 * Does what a strategy asked for, in order, and returns the last update unsent. A snapshot names the
 * revision it is meant for, so that doing it all once more, after a crash, ends in the same place.
 */
async function perform<State>(
  zeroth: Zeroth,
  options: TrainOptions<State>,
  { actions, step: atStep, revision }: Position<State>,
): Promise<UpdateRequest | undefined> {
  const { run, trainingId, signal } = options;
  let head = revision;
  let update: UpdateRequest | undefined;
  let updates = 0;
  for (const action of actions) {
    if (update !== undefined) {
      ({ head } = await zeroth.oracle.update(update, { signal }));
      update = undefined;
    }
    if (action.kind === 'decay') throw noDecay();
    if (action.kind === 'snapshot') await zeroth.runs.snapshot(run, action.name, head, { signal });
    else update = { run, shifts: [...action.shifts], requestId: requestId(trainingId, atStep, updates++) };
  }
  return update;
}

function noDecay(): ZerothError {
  return new ZerothError(
    'unimplemented',
    'weightDecay: expected 0, since an update over the wire has no decay',
  );
}

/** A step's first update is `trainingId/step`; further ones say which they are. */
function requestId(trainingId: string, step: number, earlier: number): string {
  return earlier === 0 ? `${trainingId}/${step}` : `${trainingId}/${step}.${earlier}`;
}

async function settle<State>(
  zeroth: Zeroth,
  options: TrainOptions<State>,
  position: Position<State>,
): Promise<void> {
  const update = await perform(zeroth, options, position);
  if (update !== undefined) await zeroth.oracle.update(update, { signal: options.signal });
}
