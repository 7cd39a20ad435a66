// A second thread for the moves of large models. Forward passes use all cores; moves would leave all
// but one idle. Weights lie in shared memory, which the session reads without a copy all the same
// (onnxruntime-node under Node.js 24).
import { Worker } from 'node:worker_threads';
import { type Hand, type Job, NO_TENSOR } from './hand.ts';

/** From here on the second thread is worth being woken: a million weights take about a millisecond (bench: kernel.move2). */
export const CREW_WEIGHTS_MIN = 2 ** 20;

/** Places in the memory of a control block, int32 each. */
export const NEXT_CHUNK = 0;
/** The job under way; 0 between jobs. */
export const OPEN_JOB = 1;
/** How many others are at work on it. */
export const JOINED = 2;
/** 1 while a message has not been looked at: at most one waits. */
export const CALLED = 3;
/** The first tensor that left its range in another hand. */
export const LOST = 4;
/** 1 after a bug in another hand: what is in memory is worthless. */
export const FAILED = 5;
/** Jobs that another hand took part in. */
export const HELPED = 6;
const CONTROL_WORDS = 7;

/** Weights as another thread finds them: `places` are numbers of `memories` and bytes into them. */
export type TeamWeights = {
  readonly memories: readonly WebAssembly.Memory[];
  readonly places: readonly { readonly memory: number; readonly offset: number; readonly length: number }[];
};

/** What the members of a team share beside the weights. */
type TeamShared = { readonly control: SharedArrayBuffer; readonly largest: SharedArrayBuffer };

export type CrewMessage =
  | ({ readonly kind: 'join'; readonly team: number } & TeamWeights & TeamShared)
  | { readonly kind: 'leave'; readonly team: number }
  | { readonly kind: 'job'; readonly team: number; readonly id: number; readonly job: Job };

/** This file runs from source or compiled; its neighbour has the same ending. */
const THREAD = new URL(`./crew-thread${import.meta.url.endsWith('.ts') ? '.ts' : '.js'}`, import.meta.url);

/** It holds a kernel and a plan of a move, nothing else; without limits an idle isolate takes several times as much. */
const MEMORY = { maxYoungGenerationSizeMb: 4, maxOldGenerationSizeMb: 64 } as const;

/** One thread for all weights of its owner; it starts with the first team. */
export class Crew {
  #worker: Worker | undefined;
  #nextTeam = 1;

  join(weights: TeamWeights): Team {
    this.#worker ??= start();
    return new Team(this.#worker, this.#nextTeam++, weights);
  }

  async close(): Promise<void> {
    await this.#worker?.terminate();
    this.#worker = undefined;
  }
}

function start(): Worker {
  const worker = new Worker(THREAD, { resourceLimits: MEMORY });
  // Whoever moves weights works alone while nobody joins him, so a thread that is gone is missed by nobody.
  worker.on('error', () => undefined);
  worker.unref();
  return worker;
}

/** Those who move the weights of one run: the thread that owns them, and whoever of the crew is there in time. */
export class Team {
  readonly #worker: Worker;
  readonly #team: number;
  readonly #control: Int32Array;
  readonly #largest: Float64Array;
  #job = 0;

  constructor(worker: Worker, team: number, weights: TeamWeights) {
    this.#worker = worker;
    this.#team = team;
    const control = new SharedArrayBuffer(CONTROL_WORDS * 4);
    const largest = new SharedArrayBuffer(weights.places.length * 8);
    this.#control = new Int32Array(control);
    this.#largest = new Float64Array(largest);
    this.#tell({ kind: 'join', team, ...weights, control, largest });
  }

  /** Jobs that were not done alone. */
  get helped(): number {
    return Atomics.load(this.#control, HELPED);
  }

  /**
   * Does a job together with whoever comes in time. Blocks its thread, as the work itself does.
   * @returns what `Hand.work` does.
   */
  work(hand: Hand, job: Job, largest: Float64Array): number {
    const control = this.#control;
    this.#largest.fill(0);
    Atomics.store(control, NEXT_CHUNK, 0);
    Atomics.store(control, LOST, NO_TENSOR);
    this.#call(job);
    const lost = hand.work(job, control, largest);
    this.#waitForOthers();
    for (const tensor of job.tensors) largest[tensor] = Math.max(largest[tensor], this.#largest[tensor]);
    return Math.min(lost, Atomics.load(control, LOST));
  }

  leave(): void {
    this.#tell({ kind: 'leave', team: this.#team });
  }

  #call(job: Job): void {
    this.#job = (this.#job % NO_TENSOR) + 1;
    Atomics.store(this.#control, OPEN_JOB, this.#job);
    if (Atomics.exchange(this.#control, CALLED, 1) === 1) return;
    this.#tell({ kind: 'job', team: this.#team, id: this.#job, job });
  }

  /** Whoever joins says so before he looks whether the job is open, so nobody begins after this. */
  #waitForOthers(): void {
    const control = this.#control;
    Atomics.store(control, OPEN_JOB, 0);
    for (let joined = Atomics.load(control, JOINED); joined > 0; joined = Atomics.load(control, JOINED))
      Atomics.wait(control, JOINED, joined);
    if (Atomics.exchange(control, FAILED, 0) === 1) throw new Error('weights: a thread failed within a move');
  }

  #tell(message: CrewMessage): void {
    this.#worker.postMessage(message);
  }
}
