// Where what is watched stands: all that a screen or a line says, in bounded memory.
import { Curve } from './curve.ts';
import type { Observation } from './observations.ts';

/** Losses behind the one that is shown. */
const RECENT = 50;
/** Of the server's time, that a rate is of. */
const RATE_MS = 15_000;
const SAMPLES_MAX = 256;
const EVALUATIONS_MAX = 512;

type Sample = { readonly timeMs: number; readonly step: number; readonly examples: number };

export type Evaluation = { readonly step: number; readonly loss: number };

export class WatchedCourse {
  /** Losses of steps, or sizes of updates. */
  readonly curve = new Curve();
  readonly evaluations = new Curve(EVALUATIONS_MAX);
  state = '';
  reason = '';
  /** Of a journal, its revision. */
  step = 0;
  examples = 0;
  revision = 0;
  lastEvaluation: Evaluation | undefined;
  bestEvaluation: Evaluation | undefined;
  /** Steps whose loss was not finite, and which changed nothing. */
  lostSteps = 0;
  #recent: number[] = [];
  #samples: Sample[] = [];

  add(seen: Observation): void {
    switch (seen.kind) {
      case 'step':
        this.#move(seen.timeMs, seen.step, seen.examplesForwarded, seen.revision);
        this.#draw(seen.step, seen.loss);
        if (!Number.isFinite(seen.loss)) this.lostSteps++;
        break;
      case 'entry':
        this.#move(seen.timeMs, seen.revision, 0, seen.revision);
        if (seen.stepNorm !== undefined) this.#draw(seen.revision, seen.stepNorm);
        break;
      case 'evaluation':
        this.#evaluated(seen);
        break;
      case 'state':
        this.state = seen.state;
        this.reason = seen.reason;
    }
  }

  /** Mean of the last values; undefined before the first. */
  get recent(): number | undefined {
    return this.#recent.length === 0
      ? undefined
      : this.#recent.reduce((sum, each) => sum + each, 0) / this.#recent.length;
  }

  get recentCount(): number {
    return this.#recent.length;
  }

  /** A second; undefined where nothing can be said. */
  get rates(): { readonly steps: number; readonly examples: number } | undefined {
    const [first, last] = [this.#samples[0], this.#samples.at(-1)];
    if (first === undefined || last === undefined || last.timeMs <= first.timeMs) return undefined;
    const seconds = (last.timeMs - first.timeMs) / 1000;
    return {
      steps: (last.step - first.step) / seconds,
      examples: (last.examples - first.examples) / seconds,
    };
  }

  #draw(x: number, y: number): void {
    this.curve.add(x, y);
    if (!Number.isFinite(y)) return;
    this.#recent.push(y);
    if (this.#recent.length > RECENT) this.#recent.shift();
  }

  #evaluated({ step, loss, revision }: Evaluation & { readonly revision: number }): void {
    const evaluation = { step, loss };
    this.lastEvaluation = evaluation;
    this.revision = Math.max(this.revision, revision);
    if (this.bestEvaluation === undefined || loss < this.bestEvaluation.loss)
      this.bestEvaluation = evaluation;
    this.evaluations.add(step, loss);
  }

  /** Samples lie so far apart that they span the time of a rate, however quick steps are. */
  #move(timeMs: number, step: number, examples: number, revision: number): void {
    this.step = step;
    this.examples = examples;
    this.revision = revision;
    const samples = this.#samples;
    const before = samples.at(-2);
    const isNear = before !== undefined && timeMs - before.timeMs < (2 * RATE_MS) / SAMPLES_MAX;
    if (isNear) samples[samples.length - 1] = { timeMs, step, examples };
    else samples.push({ timeMs, step, examples });
    while (samples.length > 2 && timeMs - samples[0].timeMs > RATE_MS) samples.shift();
  }
}
