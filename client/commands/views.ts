// What commands print of models, runs and trainings with --json: plain data, the same names everywhere.
import type { Parameter, TensorSpec } from '../../proto/gen/zeroth/v1/common.ts';
import { DataType } from '../../proto/gen/zeroth/v1/common.ts';
import type { Model } from '../../proto/gen/zeroth/v1/model_service.ts';
import { NoiseTable, type Run, RunState } from '../../proto/gen/zeroth/v1/run_service.ts';
import {
  type Training,
  type TrainingEvaluation,
  TrainingState,
} from '../../proto/gen/zeroth/v1/training_service.ts';

/** FLOAT32 of DATA_TYPE_FLOAT32, in small letters. */
function word(names: Readonly<Record<string, number>>, value: number, prefix: string): string {
  const name = Object.keys(names).find((each) => names[each] === value) ?? 'unknown';
  return name.replace(prefix, '').toLowerCase();
}

export const dataType = (value: DataType) => word(DataType, value, 'DATA_TYPE_');
export const runState = (value: RunState) => word(RunState, value, 'RUN_STATE_');
export const trainingState = (value: TrainingState) => word(TrainingState, value, 'TRAINING_STATE_');
const table = (value: NoiseTable) => word(NoiseTable, value, 'NOISE_TABLE_');

/** Weights, not bytes. */
export function weightsOf(parameters: readonly Parameter[]): number {
  return parameters.reduce(
    (sum, { shape }) => sum + shape.reduce((product, each) => product * Number(each), 1),
    0,
  );
}

export function sizeOf(parameters: readonly Parameter[]): number {
  return parameters.reduce((sum, { bytes }) => sum + Number(bytes), 0);
}

export function shapeOf(shape: readonly bigint[]): string {
  return `[${shape.map((each) => (each < 0n ? '?' : String(each))).join(', ')}]`;
}

const toSpec = ({ name, dataType: type, shape }: TensorSpec) => ({
  name,
  dataType: dataType(type),
  shape: shape.map(Number),
});

const toParameter = ({ bytes, trainable, alias, ...spec }: Parameter) => ({
  ...toSpec(spec),
  bytes: Number(bytes),
  trainable,
  ...(alias !== '' && { alias }),
});

export function modelView({ name, path, sha256, inputs, outputs, parameters }: Model) {
  return {
    name,
    path,
    sha256,
    weights: weightsOf(parameters),
    bytes: sizeOf(parameters),
    inputs: inputs.map(toSpec),
    outputs: outputs.map(toSpec),
    parameters: parameters.map(toParameter),
  };
}

export function runView(run: Run) {
  const { objective, lora, head, prompt, prefix } = run;
  return {
    name: run.name,
    model: run.model,
    state: runState(run.state),
    stateReason: run.stateReason,
    revision: Number(run.revision),
    trainableWeights: weightsOf(run.trainable),
    weightsBytes: Number(run.weightsBytes),
    journalBytes: Number(run.journalBytes),
    createTime: run.createTime,
    table: table(run.table),
    objective: objective && { name: objective.name, output: objective.output },
    additions: {
      lora: lora && { rank: lora.rank, alpha: lora.alpha },
      head: head?.classes,
      prompt: prompt?.tokens,
      prefix: prefix?.tokens,
    },
    forkedFrom:
      run.forkedFrom === '' ? undefined : { run: run.forkedFrom, revision: Number(run.forkedRevision) },
    snapshots: run.snapshots.map(({ name, revision }) => ({ name, revision: Number(revision) })),
    trainable: run.trainable.map(toParameter),
  };
}

export function evaluationView({ step, revision, loss, examples }: TrainingEvaluation) {
  return { step: Number(step), revision: Number(revision), loss, examples: Number(examples) };
}

export function trainingView(training: Training) {
  const { plan, lastEvaluation, bestEvaluation } = training;
  const { budget } = plan ?? {};
  return {
    name: training.name,
    state: trainingState(training.state),
    stateReason: training.stateReason,
    step: Number(training.step),
    examplesForwarded: Number(training.examplesForwarded),
    revision: Number(training.revision),
    strategy: plan?.strategy?.kind?.$case,
    batchSize: plan?.batchSize,
    budget: budget && { [budget.$case]: Number(budget.value) },
    lastEvaluation: lastEvaluation && evaluationView(lastEvaluation),
    bestEvaluation: bestEvaluation && evaluationView(bestEvaluation),
    createTime: training.createTime,
  };
}
