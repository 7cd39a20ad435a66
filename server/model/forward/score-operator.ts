// Losses of a micro-batch by an objective of the operator: a module's on the host, a graph's where the model's outputs lie.
import { ZerothError } from '../../errors.ts';
import type { DeviceTensor, Program } from '../../runtime/runtime.ts';
import type { Described, Tensor } from '../../tensor.ts';
import type { Batch } from '../batch/batch.ts';
import type { MicroBatch } from '../batch/gather.ts';
import { LOSS_OUTPUT, lossesOf } from '../objective/graph-objective.ts';
import { fieldOfOutput, LABELS_ROLE, type NamedNeed } from '../objective/needs.ts';
import {
  type BoundObjective,
  checkTensorFor,
  type Named,
  type OperatorObjective,
  type Tally,
} from '../objective/operator-objective.ts';
import type { PositionForward } from './position-forward.ts';
import type { LossPrograms, Scored } from './score.ts';
import { withWordScores } from './score-words.ts';

export type OperatorScoring = {
  readonly bound: BoundObjective;
  /** Model outputs to return, whole. */
  readonly outputs: readonly string[];
  readonly programs?: LossPrograms | undefined;
};

/** @returns what takes the micro-batches of one evaluation. */
export function operatorTally({ bound, programs }: OperatorScoring): OperatorTally {
  const { objective } = bound;
  if (objective.form.kind === 'module') return objective.form.begin();
  return { program: compiled(objective, programs) };
}

type OperatorTally = Tally | { readonly program: Program; readonly loss?: never };

/** The graph beside the model, compiled when it is first asked for. @throws ZerothError objective-failed where the runtime refuses it. */
export function compiled(objective: OperatorObjective, programs: LossPrograms | undefined): Program {
  const { form, sha256, failed } = objective;
  if (form.kind !== 'graph') throw new Error(`${objective.name} is no graph`);
  if (programs === undefined || !programs.takeFiles)
    throw new ZerothError(
      'unimplemented',
      `${objective.name}: an ONNX file as an objective takes --runtime capi`,
    );
  return named(failed, () => programs.ofFile(sha256, form.bytes));
}

/** @throws ZerothError invalid-argument where tensors are not what is needed; objective-failed where the objective fails. */
export async function scoreByOperator(
  forward: PositionForward,
  microBatch: MicroBatch,
  batch: Batch,
  scoring: OperatorScoring,
  tally: OperatorTally,
): Promise<Scored> {
  const { bound, outputs } = scoring;
  if (bound.isOfWords) {
    const [{ output }] = bound.outputs;
    return withWordScores(forward, microBatch, batch, { ...scoring, output }, (scores, returned) => {
      const results = { [output]: scores };
      const losses =
        'program' in tally
          ? run(tally.program, { bound, results }, microBatch, batch)
          : addTo(tally, { bound, results, returned: [] }, microBatch, batch);
      return { losses, width: 0, outputs: returned };
    });
  }
  const needed = [...new Set(bound.outputs.map(({ output }) => output))];
  const others = needed.filter((name) => !outputs.includes(name));
  if (!('program' in tally)) {
    const results = await forward.run(microBatch.feeds, [...outputs, ...others]);
    const losses = addTo(tally, { bound, results, returned: outputs }, microBatch, batch);
    return { losses, width: 0, outputs: results };
  }
  const { program } = tally;
  // What is returned has come to the host anyway; programs take tensors from either place.
  return forward.runWith!(microBatch.feeds, outputs, others, (results, kept) => ({
    losses: run(program, { bound, results: { ...results, ...kept } }, microBatch, batch),
    width: 0,
    outputs: results,
  }));
}

type Given<T extends Described> = {
  readonly bound: BoundObjective;
  readonly results: Readonly<Record<string, T>>;
};

function addTo(
  tally: Tally,
  { bound, results, returned }: Given<Tensor> & { readonly returned: readonly string[] },
  microBatch: MicroBatch,
  batch: Batch,
): Float64Array {
  const { rows } = microBatch;
  const outputs = outputsFor({ bound, results }, rows);
  for (const { need, output } of bound.outputs)
    if (returned.includes(output)) outputs[need.name] = copyOf(outputs[need.name]);
  // The batch's memory is read again for the next point: a module that writes into it would change that.
  const labels = Object.fromEntries(
    Object.entries(labelsFor(bound, microBatch, batch)).map(([name, tensor]) => [name, copyOf(tensor)]),
  );
  return tally.add(outputs, labels, rows) ?? new Float64Array(rows);
}

function run(
  program: Program,
  { bound, results }: Given<DeviceTensor | Tensor>,
  microBatch: MicroBatch,
  batch: Batch,
): Float64Array {
  const { objective } = bound;
  const inputs = {
    ...outputsFor({ bound, results }, microBatch.rows),
    ...labelsFor(bound, microBatch, batch),
  };
  const loss = named(objective.failed, () => program.call(inputs, LOSS_OUTPUT));
  return lossesOf(loss, microBatch.rows, objective);
}

function outputsFor<T extends Described>({ bound, results }: Given<T>, rows: number): Record<string, T> {
  const { name: objective } = bound.objective;
  return Object.fromEntries(
    bound.outputs.map(({ need, output }) => {
      checkTensorFor({ need, objective }, results[output], rows, fieldOfOutput(need, objective));
      return [need.name, results[output]];
    }),
  );
}

function labelsFor(
  { batch: needs, objective: { name: objective } }: BoundObjective,
  { rows, labels, extras }: MicroBatch,
  batch: Batch,
): Named {
  const take = (need: NamedNeed): Tensor => {
    const [tensor, field] =
      need.name === LABELS_ROLE
        ? [labels, batch.labels.field]
        : [extras[roleOf(need)], batch.extraFields[roleOf(need)]];
    checkTensorFor({ need, objective }, tensor, rows, field);
    return tensor;
  };
  return Object.fromEntries(needs.map(({ need }) => [need.name, take(need)]));
}

/** Among the extras of a batch, where words have `candidates` and `positions`, which a tensor may be called as well. */
export function roleOf({ name }: NamedNeed): string {
  return `tensor ${name}`;
}

function copyOf(tensor: Tensor): Tensor {
  return { ...tensor, data: new Uint8Array(tensor.data) };
}

/** What ONNX Runtime says of a graph that is not ours is an error of that graph; of a device that is lost it is not. */
function named<T>(failed: OperatorObjective['failed'], work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (error instanceof ZerothError && error.kind !== 'internal' && error.kind !== 'invalid-argument')
      throw error;
    throw failed(error instanceof Error ? error.message : String(error), error);
  }
}
