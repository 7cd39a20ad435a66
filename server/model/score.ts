// Losses of a micro-batch, computed where the model's output lies: on the host, or on the device that it never leaves then.
import type { DeviceMemory, DeviceTensor, Forward, Program } from '../runtime/runtime.ts';
import type { Tensor } from '../tensor.ts';
import type { Batch } from './batch.ts';
import type { MicroBatch } from './gather.ts';
import { type Described, elements, type LabelNames, type Objective, rejectOutput } from './objective.ts';

export type Scoring = {
  readonly objective: Objective;
  /** The model output that is scored. */
  readonly output: string;
  /** Model outputs to return, whole. */
  readonly outputs: readonly string[];
  /** What scores on the device of the forward pass; absent where that is the host. */
  readonly programs?: LossPrograms | undefined;
};

export type Scored = {
  /** One an example, in float64. */
  readonly losses: Float64Array;
  /** Those that are to be returned, and more where they came along. */
  readonly outputs: Readonly<Record<string, Tensor>>;
};

/** Objectives as they run on one device, each compiled when it is first asked for. */
export class LossPrograms implements Disposable {
  readonly #memory: DeviceMemory;
  readonly #programs = new Map<string, Program>();

  constructor(memory: DeviceMemory) {
    this.#memory = memory;
  }

  /** Undefined where the objective has a form for the host only. */
  find({ name, device }: Objective): Program | undefined {
    if (device === undefined) return undefined;
    // Arithmetic on the number of classes is the host's.
    const program = this.#programs.get(name) ?? this.#memory.program(device.graph(), { isStrict: false });
    this.#programs.set(name, program);
    return program;
  }

  [Symbol.dispose](): void {
    for (const program of this.#programs.values()) program[Symbol.dispose]();
  }
}

/** @throws ZerothError invalid-argument where outputs and labels do not fit, or the model cannot run on the rows. */
export async function score(
  forward: Forward,
  microBatch: MicroBatch,
  batch: Batch,
  scoring: Scoring,
): Promise<Scored> {
  const { objective, output, outputs, programs } = scoring;
  // What crosses to the host anyway is scored there, in float64.
  const program = outputs.includes(output) ? undefined : programs?.find(objective);
  if (program !== undefined && forward.runWith !== undefined)
    return forward.runWith(microBatch.feeds, outputs, [output], (results, kept) => ({
      losses: lossesOnDevice(program, scoring, kept[output], microBatch, batch),
      outputs: results,
    }));
  const results = await forward.run(microBatch.feeds, [...new Set([output, ...outputs])]);
  const names = check(objective, results[output], microBatch, batch);
  return { losses: objective.losses(results[output], microBatch.labels, names), outputs: results };
}

function lossesOnDevice(
  program: Program,
  { objective }: Scoring,
  output: DeviceTensor,
  microBatch: MicroBatch,
  batch: Batch,
): Float64Array {
  const names = check(objective, output, microBatch, batch);
  const labels = objective.device!.labels(microBatch.labels, output, names);
  const losses = program.call({ output, labels }, 'losses');
  return Float64Array.from(elements(losses, Float32Array, 4));
}

function check(
  objective: Objective,
  output: Described,
  { rows, placeOf, labels }: MicroBatch,
  batch: Batch,
): LabelNames {
  objective.checkOutput(output);
  if (output.shape[0] !== rows) rejectOutput(`a row for each of ${rows} examples`, output);
  const { field, rowOf } = batch.labels;
  objective.checkLabels(labels, output, field);
  return { field, rowOf: (i) => rowOf(placeOf(i)) };
}
