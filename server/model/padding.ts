// Whether a model's outputs are the same without padding. A mask does not promise it: a mean over all
// tokens, padding included, follows many a masked attention. So a few rows are tried before any is cut.
import { ZerothError } from '../errors.ts';
import type { Forward } from '../runtime/runtime.ts';
import type { Tensor } from '../tensor.ts';
import type { Batch, Trial } from './batch.ts';
import { elements } from './objective.ts';

/**
 * Of what outputs differ from row to row, in proportion to how much was cut: a model that reads
 * padding differs by about all of it, one that does not by some 1e-6 (rounding).
 */
const TOLERANCE = 0.01;

/** Of the largest output: what may be rounding, so that nothing smaller shows anything. */
const ROUNDING = 1e-5;

/** What is known of a run's model. */
export class PaddingCheck {
  /** By output. */
  readonly #isFree = new Map<string, boolean>();

  /** @returns whether all of these outputs are known to be free of padding, after a trial if need be. */
  async mayCut(forward: Forward, batch: Batch, outputs: readonly string[]): Promise<boolean> {
    if (outputs.some((name) => this.#isFree.get(name) === false)) return false;
    const unknown = outputs.filter((name) => !this.#isFree.has(name));
    const trial = batch.trial();
    if (trial === undefined) return false;
    if (unknown.length > 0) await this.#try(forward, trial, unknown);
    return outputs.every((name) => this.#isFree.get(name) === true);
  }

  async #try(forward: Forward, trial: Trial, outputs: readonly string[]): Promise<void> {
    const whole = await forward.run(trial.whole, outputs);
    const cut = await runCut(forward, trial, outputs);
    for (const name of outputs) {
      const isFree = cut === undefined ? false : isSame(whole[name], cut[name], trial);
      if (isFree !== undefined) this.#isFree.set(name, isFree);
    }
  }
}

/** Undefined where the model cannot run on shorter rows, whatever its graph declares. */
async function runCut(
  forward: Forward,
  { cut }: Trial,
  outputs: readonly string[],
): Promise<Record<string, Tensor> | undefined> {
  try {
    return await forward.run(cut, outputs);
  } catch (error) {
    if (error instanceof ZerothError && error.kind === 'invalid-argument') return undefined;
    throw error;
  }
}

/**
 * Undefined where these rows cannot show it: outputs are alike for all rows, or not finite. An
 * output with an entry for each token is another without padding; and only float32 is compared,
 * as that is what objectives score.
 */
function isSame(whole: Tensor, cut: Tensor, { rows, cutShare }: Trial): boolean | undefined {
  if (whole.dataType !== 'float32' || whole.shape.join() !== cut.shape.join()) return false;
  const [wanted, got] = [whole, cut].map((tensor) => elements(tensor, Float32Array, 4));
  if (!wanted.every(Number.isFinite)) return undefined;
  const largest = wanted.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  const bound = TOLERANCE * cutShare * (rows > 1 ? spread(wanted, rows) : largest);
  if (bound <= ROUNDING * largest) return undefined;
  return wanted.every((value, i) => Math.abs(value - got[i]) <= bound);
}

/** How much an element differs between rows, at most. */
function spread(values: Float32Array, rows: number): number {
  const width = values.length / rows;
  let most = 0;
  for (let i = width; i < values.length; i++) most = Math.max(most, Math.abs(values[i] - values[i % width]));
  return most;
}
