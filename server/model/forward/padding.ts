// Whether a model's outputs are the same without padding. A mask does not promise it: a mean over all
// tokens, padding included, follows many a masked attention. So it is tried out before any row is cut: on
// made-up rows and once a run, with its base weights. What depended on a client's rows, or on how far they
// have been trained, could be answered otherwise after a restart, and losses would differ by rounding.
import type { Feeds, Forward } from '../../runtime/runtime.ts';
import { elementCount, isScored, scoresOf, type Tensor, type TensorSpec } from '../../tensor.ts';
import { findColumn } from '../batch/columns.ts';
import { findSequence } from '../batch/lengths.ts';
import { madeUpRows } from '../batch/made-up.ts';
import { selectRows } from '../batch/rows.ts';
import type { InputSpec } from '../graph/graph.ts';
import { isAboutModel } from './probe.ts';

/** Tokens of the rows that are tried. All are cut after the longest, so that some keep padding, as in a batch. */
const LENGTHS = [7, 9, 4, 6];
const SHORTEST = Math.min(...LENGTHS);
/** With padding. No usual width of features, which would look like a sequence of a fixed length. */
const WIDTH = 19;

/**
 * Of what outputs differ from row to row, in proportion to how much was cut: a model that reads
 * padding differs by about all of it, one that does not by some 1e-6 (rounding).
 */
const TOLERANCE = 0.01;

/** Of the largest output: what may be rounding, so that nothing smaller shows anything. */
const ROUNDING = 1e-5;

/** The same rows twice. */
type Trial = {
  readonly whole: Feeds;
  readonly cut: Feeds;
  /** Of the tokens of each row, from 0 to 1. */
  readonly cutShare: number;
};

/** Outputs that are shown not to depend on padding: those with something for each row, and those with something for each token of it. */
export type WithoutPadding = { readonly rows: ReadonlySet<string>; readonly tokens: ReadonlySet<string> };

export const NONE_WITHOUT_PADDING: WithoutPadding = { rows: new Set(), tokens: new Set() };

/**
 * What a trial shows. Nothing where there is nothing to cut, or the model cannot run on made-up rows, as it wants inputs that fit each
 * other in a way that its graph does not tell.
 */
export async function outputsWithoutPadding(
  forward: Forward,
  inputs: readonly InputSpec[],
  outputs: readonly TensorSpec[],
): Promise<WithoutPadding> {
  const trial = trialOf(inputs);
  if (trial === undefined) return NONE_WITHOUT_PADDING;
  const names = outputs.map(({ name }) => name);
  try {
    const whole = await forward.run(trial.whole, names);
    const cut = await forward.run(trial.cut, names);
    return {
      rows: new Set(names.filter((name) => isSame(whole[name], cut[name], trial.cutShare))),
      tokens: new Set(names.filter((name) => isSameByToken(whole[name], cut[name], trial.cutShare))),
    };
  } catch (error) {
    if (isAboutModel(error)) return NONE_WITHOUT_PADDING;
    throw error;
  }
}

/** Undefined where rows have no padding that is known as such, or the model fixes how long or how many they are. */
function trialOf(inputs: readonly InputSpec[]): Trial | undefined {
  if (inputs.some(({ shape: [rows = -1] }) => rows !== -1)) return undefined;
  const whole = madeUpRows(inputs, { rows: LENGTHS.length, free: WIDTH, lengths: LENGTHS });
  const source = { kind: 'inline', tensors: new Map(Object.entries(whole)) } as const;
  const columns = inputs.map(({ name }) => findColumn(source, name, 'an input of the model'));
  const sequence = findSequence(inputs, columns, selectRows(source, LENGTHS.length));
  if (sequence === undefined) return undefined;
  const tokens = Math.max(...sequence.lengths);
  const cut = Object.entries(whole).map(([name, tensor]) => {
    return [name, sequence.inputs.has(name) ? cutAfter(tokens, tensor) : tensor] as const;
  });
  return { whole, cut: Object.fromEntries(cut), cutShare: 1 - tokens / sequence.width };
}

function cutAfter(tokens: number, { dataType, shape, data }: Tensor): Tensor {
  const [rows, width, ...rest] = shape;
  const rowBytes = data.byteLength / rows;
  const keptBytes = (rowBytes / width) * tokens;
  const kept = new Uint8Array(rows * keptBytes);
  for (let row = 0; row < rows; row++)
    kept.set(data.subarray(row * rowBytes, row * rowBytes + keptBytes), row * keptBytes);
  return { dataType, shape: [rows, tokens, ...rest], data: kept };
}

/**
 * Not where these rows cannot show it: outputs are alike for all of them, or not finite. An output
 * with an entry for each token is another without padding; and only numbers are compared that
 * objectives score.
 */
function isSame(whole: Tensor, cut: Tensor, cutShare: number): boolean {
  if (!isScored(whole.dataType) || whole.shape.join() !== cut.shape.join()) return false;
  if (whole.shape[0] !== LENGTHS.length) return false;
  const [wanted, got] = [whole, cut].map(scoresOf);
  if (!wanted.every(Number.isFinite)) return false;
  const largest = wanted.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  const bound = TOLERANCE * cutShare * spread(wanted);
  return bound > ROUNDING * largest && wanted.every((value, i) => Math.abs(value - got[i]) <= bound);
}

/** The same of outputs [rows, sequence, ...], whose tokens are compared where they are no padding. */
function isSameByToken(whole: Tensor, cut: Tensor, cutShare: number): boolean {
  const [rows, width, ...rest] = whole.shape;
  const tokens = cut.shape[1];
  const isAlike =
    isScored(whole.dataType) &&
    rows === LENGTHS.length &&
    width === WIDTH &&
    tokens < width &&
    [rows, tokens, ...rest].join() === cut.shape.join();
  if (!isAlike) return false;
  const size = elementCount(rest);
  const kept = (output: Tensor, sequence: number) =>
    Float32Array.from(
      LENGTHS.flatMap((_, row) => [
        ...scoresOf(output).subarray(row * sequence * size, (row * sequence + SHORTEST) * size),
      ]),
    );
  const [wanted, got] = [kept(whole, width), kept(cut, tokens)];
  const shape = [rows, SHORTEST, ...rest];
  const bytes = (values: Float32Array): Tensor => ({
    dataType: 'float32',
    shape,
    data: new Uint8Array(values.buffer),
  });
  return isSame(bytes(wanted), bytes(got), cutShare);
}

/** How much an element differs between rows, at most. */
function spread(values: Float32Array): number {
  const width = values.length / LENGTHS.length;
  let most = 0;
  for (let i = width; i < values.length; i++) most = Math.max(most, Math.abs(values[i] - values[i % width]));
  return most;
}
