// Losses of a micro-batch, computed where the model's output lies: on the host, or on the device that it never leaves then.
import type { DeviceTensor, Forward, Program, Runtime } from '../../runtime/runtime.ts';
import { type DataType, type Described, elements, type Tensor } from '../../tensor.ts';
import type { Batch } from '../batch/batch.ts';
import type { MicroBatch } from '../batch/gather.ts';
import type { Scope } from '../objective/loss-graph.ts';
import { type LabelNames, type Objective, rejectOutput } from '../objective/objective.ts';
import { wordsGraph } from '../objective/words.ts';
import { type ChosenPositions, chosenOf, int32, type PositionForward, upTo } from './position-forward.ts';
import { withWordScores } from './score-words.ts';

export type Scoring = {
  readonly objective: Objective;
  /** The model output that is scored. */
  readonly output: string;
  /** Whether the output has scores for words, of which a few stand for classes (words.ts). */
  readonly isOfWords?: boolean;
  /** Model outputs to return, whole. */
  readonly outputs: readonly string[];
  /** What scores on the device of the forward pass; absent where that is the host. */
  readonly programs?: LossPrograms | undefined;
};

export type Scored = {
  /** One an example, in float64; without a meaning where an objective of the operator gives the batch one as a whole. */
  readonly losses: Float64Array;
  /** Entries of a row of the scored output: its last dimension. */
  readonly width: number;
  /** Labelled positions of every example, of an objective that scores positions. */
  readonly tokens?: Int32Array;
  /** Those that are to be returned, and more where they came along. */
  readonly outputs: Readonly<Record<string, Tensor>>;
};

/** Keys of programs that come from files of the operator. */
const FILE = 'file ';

/** Objectives as graphs beside the model, each compiled when it is first asked for. */
export class LossPrograms implements Disposable {
  readonly #runtime: Runtime;
  readonly #programs = new Map<string, Program>();

  constructor(runtime: Runtime) {
    this.#runtime = runtime;
  }

  /** Whether losses are not the host's to compute: it does so in float64 what is small, and lies there anyway. */
  takes(objective: Objective): boolean {
    return this.#runtime.program !== undefined && this.#formOf(objective) !== undefined;
  }

  /** @param scored The type of the output. @param scope What it has, of an objective that scores positions. */
  get(objective: Objective, scored: DataType, scope: Scope): Program {
    return this.#find(`${objective.name} ${scored} ${scope}`, () =>
      this.#formOf(objective)!.graph(scored, scope),
    );
  }

  /** Whether scores of words can be picked where they lie. */
  get pickWords(): boolean {
    return this.#runtime.program !== undefined;
  }

  /** Whether graphs that are not ours can run beside the model. */
  get takeFiles(): boolean {
    return this.#runtime.program !== undefined;
  }

  /** A graph of the operator's. @throws ZerothError where the runtime refuses it. */
  ofFile(sha256: string, bytes: Uint8Array): Program {
    return this.#find(`${FILE}${sha256}`, () => bytes);
  }

  /** Gives back those of files that have been replaced. */
  keepFiles(sha256s: ReadonlySet<string>): void {
    for (const [key, program] of this.#programs) {
      if (!key.startsWith(FILE) || sha256s.has(key.slice(FILE.length))) continue;
      this.#programs.delete(key);
      program[Symbol.dispose]();
    }
  }

  words(scored: DataType, scope: Scope): Program {
    return this.#find(`words ${scored} ${scope}`, () => wordsGraph(scored, scope));
  }

  [Symbol.dispose](): void {
    for (const program of this.#programs.values()) program[Symbol.dispose]();
  }

  /** Arithmetic on shapes, as on the number of classes, is the host's. */
  #find(key: string, graph: () => Uint8Array): Program {
    const program = this.#programs.get(key) ?? this.#runtime.program!(graph(), { isStrict: false });
    this.#programs.set(key, program);
    return program;
  }

  #formOf({ device, tokens }: Objective) {
    return tokens ?? (this.#runtime.memory === undefined ? undefined : device);
  }
}

/** @throws ZerothError invalid-argument where outputs and labels do not fit, or the model cannot run on the rows. */
export async function score(
  forward: PositionForward,
  microBatch: MicroBatch,
  batch: Batch,
  scoring: Scoring,
): Promise<Scored> {
  const { objective, output, outputs, programs } = scoring;
  if (scoring.isOfWords === true) return scoreWords(forward, microBatch, batch, scoring);
  const chosen = chosenOf(forward, scoring);
  if (objective.tokens !== undefined && chosen !== undefined)
    return scoreChosen({ forward, chosen, tokens: objective.tokens }, microBatch, batch, scoring);
  // What crosses to the host anyway is scored there, in float64.
  const isKept = programs?.takes(objective) === true && !outputs.includes(output);
  if (isKept && forward.runWith !== undefined)
    return forward.runWith(microBatch.feeds, outputs, [output], (results, kept) => ({
      ...scoredWhereItLies(programs, objective, kept[output], microBatch, batch),
      outputs: results,
    }));
  const results = await forward.run(microBatch.feeds, [...new Set([output, ...outputs])]);
  const { labels } = microBatch;
  const names = check(objective, results[output], microBatch, batch);
  const losses = objective.losses(results[output], labels, names);
  const width = widthOf(results[output]);
  const tokens = objective.tokens?.select(labels, results[output], names).counts;
  return { losses, width, ...(tokens && { tokens }), outputs: results };
}

type ByPosition = {
  readonly forward: Forward;
  readonly chosen: ChosenPositions;
  readonly tokens: NonNullable<Objective['tokens']>;
};

/** Only the labelled positions are computed. */
async function scoreChosen(
  { forward, chosen, tokens }: ByPosition,
  microBatch: MicroBatch,
  batch: Batch,
  { objective, output, outputs, programs }: Scoring,
): Promise<Scored> {
  const whole = chosen.whole(microBatch.feeds);
  const names = check(objective, whole, microBatch, batch);
  const labelled = tokens.select(microBatch.labels, whole, names);
  const { positions, targets, counts } = labelled;
  const feeds = chosen.at(microBatch.feeds, positions);
  const scored = { width: widthOf(whole), tokens: counts };
  if (programs?.takes(objective) === true && forward.runWith !== undefined)
    return forward.runWith(feeds, outputs, [output], (results, kept) => {
      const program = programs.get(objective, whole.dataType, 'chosen');
      const inputs = { output: kept[output], targets: int32([targets.length, 1], targets) };
      const losses = elements(program.call(inputs, 'losses'), Float32Array, 4);
      return { ...scored, losses: tokens.ofExamples(losses, counts), outputs: results };
    });
  const results = await forward.run(feeds, [output, ...outputs]);
  const losses = tokens.losses(results[output], { ...labelled, positions: upTo(positions.length) });
  return { ...scored, losses, outputs: results };
}

function scoreWords(
  forward: PositionForward,
  microBatch: MicroBatch,
  batch: Batch,
  scoring: Scoring,
): Promise<Scored> {
  const { objective } = scoring;
  return withWordScores(forward, microBatch, batch, scoring, (scores, outputs) => {
    const names = check(objective, scores, microBatch, batch);
    return { losses: objective.losses(scores, microBatch.labels, names), width: widthOf(scores), outputs };
  });
}

function scoredWhereItLies(
  programs: LossPrograms,
  objective: Objective,
  output: DeviceTensor,
  microBatch: MicroBatch,
  batch: Batch,
): Omit<Scored, 'outputs'> {
  const width = widthOf(output);
  const names = check(objective, output, microBatch, batch);
  const program = programs.get(objective, output.dataType, 'whole');
  const lossesOf = (inputs: Readonly<Record<string, Tensor>>) =>
    elements(program.call({ output, ...inputs }, 'losses'), Float32Array, 4);
  if (objective.tokens === undefined) {
    const labels = objective.device!.labels(microBatch.labels, output, names);
    return { losses: Float64Array.from(lossesOf({ labels })), width };
  }
  const { positions, targets, counts } = objective.tokens.select(microBatch.labels, output, names);
  const losses = lossesOf({
    positions: int32([positions.length], positions),
    targets: int32([targets.length, 1], targets),
  });
  return { losses: objective.tokens.ofExamples(losses, counts), width, tokens: counts };
}

function widthOf({ shape }: Described): number {
  return shape.at(-1) ?? 1;
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
