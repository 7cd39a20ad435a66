import type {
  EvaluationPlan as WireEvaluationPlan,
  TrainingEvent as WireEvent,
  TrainingEvaluation as WireLook,
  TrainingPlan as WirePlan,
  StepEvent as WireStepEvent,
  Training as WireTraining,
} from '../../proto/gen/zeroth/v1/training_service.ts';
import {
  BatchKind,
  type TrainingServiceServer,
  TrainingState as WireState,
} from '../../proto/gen/zeroth/v1/training_service.ts';
import { invalid, ZerothError } from '../errors.ts';
import type { StoredEvent } from '../journal/training-log.ts';
import { checkId, checkName, checkTrainingName } from '../names.ts';
import type { BatchChoice } from '../strategy/strategy.ts';
import { decode } from '../text.ts';
import type {
  EvaluationPlan,
  Look,
  StepEvent,
  TrainingEvent,
  TrainingPlan,
  TrainingState,
} from '../training/plan.ts';
import type { Training } from '../training/training.ts';
import type { Call } from './adapter.ts';
import { checkSeed, fromObjective, toObjective, toRevision } from './convert.ts';
import { fromStrategy, toStrategy } from './convert-strategy.ts';
import { fromTiming } from './oracle-service.ts';
import { page } from './page.ts';
import { getRun, type Services } from './services.ts';

export function trainingService(services: Services): TrainingServiceServer {
  const { adapter, config, trainings } = services;
  let watchers = 0;

  const find = (name: string, call: Call): Training => {
    call.note({ training: checkTrainingName(name, 'name') });
    return trainings.get(name);
  };

  return {
    startTraining: adapter.unary(async ({ run: name, trainingId, plan }, call) => {
      const run = getRun(services, call, name, 'run');
      const id = trainingId === '' ? '' : checkId(trainingId, 'training_id');
      const request = { run, id, plan: toPlan(plan) };
      const training = await trainings.start(request).catch((error) => {
        throw renamed(error);
      });
      call.note({ training: training.name });
      return { training: toWire(training) };
    }),

    getTraining: adapter.unary(({ name }, call) => ({ training: toWire(find(name, call)) })),

    listTrainings: adapter.unary((request) => {
      const run = request.run === '' ? '' : checkName(request.run, 'runs', 'run');
      const { items, nextPageToken } = page(trainings.list(run), request, config.pageSizeMax);
      return { trainings: items.map(toWire), nextPageToken };
    }),

    watchTraining: adapter.watch(async function* ({ name, afterEvent }, call) {
      const training = find(name, call);
      const after = toRevision(afterEvent, 'after_event', 'the number of an event, 0 or more');
      if (watchers >= config.watchersMax) throw tooManyWatchers(config.watchersMax);
      watchers++;
      try {
        for await (const event of training.watch(after, call.signal)) yield { event: toWireEvent(event) };
      } finally {
        watchers--;
      }
    }),

    pauseTraining: adapter.unary(async ({ name }, call) => {
      const training = find(name, call);
      await training.pause();
      return { training: toWire(training) };
    }),

    resumeTraining: adapter.unary(async ({ name }, call) => {
      const training = find(name, call);
      await trainings.resume(training);
      return { training: toWire(training) };
    }),

    stopTraining: adapter.unary(async ({ name }, call) => {
      const training = find(name, call);
      await training.stop();
      return { training: toWire(training) };
    }),

    deleteTraining: adapter.unary(async ({ name }, call) => {
      await trainings.delete(find(name, call));
      return {};
    }),
  };
}

function tooManyWatchers(watchersMax: number): ZerothError {
  const message = `${watchersMax} streams watch trainings already (watchersMax)`;
  return new ZerothError('exhausted', message, { retryAfterMs: 1000 });
}

/** What the domain calls an option, and where the plan has it. */
const optionFields: Readonly<Record<string, string>> = {
  batchSize: 'plan.batch_size',
  anchorRows: 'plan.strategy.mezo_svrg.anchor_rows',
};

function renamed(error: unknown): unknown {
  if (!(error instanceof ZerothError)) return error;
  const { field: option = '', ...details } = error.details;
  const field = optionFields[option];
  if (field === undefined) return error;
  return new ZerothError(
    error.kind,
    `${field}${error.message.slice(option.length)}`,
    { ...details, field },
    error,
  );
}

function toPlan(plan: WirePlan | undefined): TrainingPlan {
  if (plan === undefined) throw invalid('plan', 'a plan', 'none');
  const { name, options } = toStrategy(plan.strategy, 'plan.strategy');
  checkSeed(plan.batchSeed, 'plan.batch_seed');
  return {
    dataset: checkName(plan.dataset, 'datasets', 'plan.dataset'),
    batches: { size: toCount(plan.batchSize, 'plan.batch_size'), seed: plan.batchSeed },
    strategy: { name, options },
    budget: toBudget(plan.budget),
    objective: plan.objective && toObjective(plan.objective),
    evaluation: plan.evaluation && toEvaluationPlan(plan.evaluation),
  };
}

function toBudget(budget: WirePlan['budget']): TrainingPlan['budget'] {
  if (budget === undefined) throw invalid('plan.budget', 'steps or examples', 'neither');
  return budget.$case === 'steps'
    ? { steps: toCount(budget.value, 'plan.steps') }
    : { examples: toCount(budget.value, 'plan.examples') };
}

function toEvaluationPlan(plan: WireEvaluationPlan): EvaluationPlan {
  const { patience, minDelta, restoreBest, objective } = plan;
  if (patience < 0)
    throw invalid('plan.evaluation.patience', 'a number of evaluations, 0 or more', String(patience));
  if (!(minDelta >= 0) || !Number.isFinite(minDelta))
    throw invalid('plan.evaluation.min_delta', 'a finite number of 0 or more', String(minDelta));
  return {
    dataset: checkName(plan.dataset, 'datasets', 'plan.evaluation.dataset'),
    every: toCount(plan.every, 'plan.evaluation.every'),
    objective: objective && toObjective(objective),
    patience,
    minDelta,
    restoreBest,
  };
}

function toCount(value: bigint | number, field: string): number {
  const count = Number(value);
  if (count < 1 || !Number.isSafeInteger(count))
    throw invalid(field, 'a whole number of 1 or more', String(value));
  return count;
}

const states: Record<TrainingState, WireState> = {
  running: WireState.TRAINING_STATE_RUNNING,
  paused: WireState.TRAINING_STATE_PAUSED,
  completed: WireState.TRAINING_STATE_COMPLETED,
  stopped: WireState.TRAINING_STATE_STOPPED,
  failed: WireState.TRAINING_STATE_FAILED,
};

const batchKinds: Record<BatchChoice['kind'], BatchKind> = {
  'mini-batch': BatchKind.BATCH_KIND_MINI,
  'full-batch': BatchKind.BATCH_KIND_FULL,
  anchor: BatchKind.BATCH_KIND_ANCHOR,
};

function toWire(training: Training): WireTraining {
  const { name, plan, status, createTimeMs } = training;
  const { state, reason, place, revision, last, best, events } = status;
  return {
    name,
    plan: fromPlan(plan),
    state: states[state],
    stateReason: reason,
    step: BigInt(place.step),
    examplesForwarded: BigInt(place.examplesForwarded),
    revision: BigInt(revision),
    lastEvaluation: last && fromLook(last),
    bestEvaluation: best && fromLook(best),
    events: BigInt(events),
    createTime: new Date(createTimeMs),
  };
}

function fromPlan({ dataset, batches, strategy, budget, objective, evaluation }: TrainingPlan): WirePlan {
  return {
    dataset,
    batchSize: batches.size,
    batchSeed: batches.seed,
    strategy: fromStrategy(strategy),
    budget:
      'steps' in budget
        ? { $case: 'steps', value: BigInt(budget.steps) }
        : { $case: 'examples', value: BigInt(budget.examples) },
    objective: objective && fromObjective(objective),
    evaluation: evaluation && {
      ...evaluation,
      every: BigInt(evaluation.every),
      objective: evaluation.objective && fromObjective(evaluation.objective),
    },
  };
}

function fromLook({ step, revision, loss, examples }: Look): WireLook {
  return { step: BigInt(step), revision: BigInt(revision), loss, examples: BigInt(examples) };
}

function toWireEvent({ number, timeMs, event }: StoredEvent): WireEvent {
  return { number: BigInt(number), time: new Date(timeMs), event: toWireKind(decode<TrainingEvent>(event)) };
}

function toWireKind(event: TrainingEvent): WireEvent['event'] {
  switch (event.kind) {
    case 'step':
      return { $case: 'step', value: fromStep(event.step) };
    case 'evaluation':
      return { $case: 'evaluation', value: fromLook(event.look) };
    case 'state':
      return { $case: 'state', value: { state: states[event.state], reason: event.reason } };
  }
}

function fromStep(step: StepEvent): WireStepEvent {
  return {
    step: BigInt(step.step),
    batch: batchKinds[step.batch],
    loss: step.loss,
    losses: [...step.losses],
    projectedGradients: [...step.projectedGradients],
    stepNorm: step.stepNorm,
    examples: BigInt(step.examplesForwarded),
    examplesForwarded: BigInt(step.totalExamplesForwarded),
    measuredAtRevision: BigInt(step.measuredAtRevision),
    revision: BigInt(step.revision),
    timing: fromTiming(step.timing),
  };
}
