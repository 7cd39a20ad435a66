// Whether a rewritten graph still is the model: both run on the same few made-up rows, and give the same outputs.
import { type ErrorKind, invalid, ZerothError } from '../../errors.ts';
import type { Feeds, Forward } from '../../runtime/runtime.ts';
import { type DataType, describe, isScored, scoresOf, type Tensor, type TensorSpec } from '../../tensor.ts';
import { isPresent } from '../batch/fill-in.ts';
import { madeUpRows } from '../batch/made-up.ts';
import type { PositionForward } from './position-forward.ts';

const SIZE = { rows: 2, free: 8 };

/**
 * Of an output's largest magnitude. Weights on their grid differ from those of the file by 2^-24 of sixteen times their
 * largest, and fused operators round differently; a graph that was rewritten wrongly differs by about all of it.
 */
const TOLERANCE = 1e-3;

/**
 * Of graphs that round within, to float16 or to 8 bits. The CPU computes float16 in float32 and rounds where the form of a graph has it
 * do so (2e-3 is seen, of two layers); what is rounded the other way to 8 bits is a 256th of the largest activation off.
 */
const COARSE_TOLERANCE = 2 ** -5;
const COARSE: readonly DataType[] = ['float16', 'int8', 'uint8'];

const PASSING: readonly ErrorKind[] = ['exhausted', 'cancelled', 'unavailable'];

export type Probe = {
  readonly feeds: Feeds;
  readonly outputs: Readonly<Record<string, Tensor>>;
  /** Of an output's largest magnitude. */
  readonly tolerance: number;
};

/**
 * What the original gives on made-up rows; undefined where it cannot run on them, as it wants inputs that fit each other in a
 * way that its graph does not tell.
 * @param parameters The graph's own tensors, whose types tell how it rounds.
 */
export async function probe(
  original: Forward,
  inputs: readonly TensorSpec[],
  outputs: readonly TensorSpec[],
  parameters: readonly TensorSpec[] = [],
): Promise<Probe | undefined> {
  const feeds = madeUpRows(inputs, SIZE);
  const names = floatOutputs(outputs);
  const isCoarse = parameters.some(({ dataType }) => COARSE.includes(dataType));
  const tolerance = isCoarse ? COARSE_TOLERANCE : TOLERANCE;
  try {
    return { feeds, outputs: await original.run(feeds, names), tolerance };
  } catch (error) {
    if (isAboutModel(error)) return undefined;
    throw error;
  }
}

/** Of a run on made-up rows: whether it is the model that does not take them. Memory that ran out and a device that was lost say nothing of it. */
export function isAboutModel(error: unknown): boolean {
  return error instanceof ZerothError && !PASSING.includes(error.kind);
}

/** @throws ZerothError where the rewritten graph gives something else, or cannot run. */
export async function checkAgainst({ feeds, outputs, tolerance }: Probe, rewritten: Forward): Promise<void> {
  const names = Object.keys(outputs);
  const got = await rewritten.run(feeds, names);
  for (const name of names) {
    const difference = differenceOf(outputs[name], got[name]);
    if (difference <= tolerance) continue;
    const message =
      `model: expected output "${name}" as the file's own graph gives it when weights are inputs of the graph, ` +
      `got one that differs by ${difference.toPrecision(3)} of its largest value`;
    throw new ZerothError('invalid-argument', message, { field: 'model' });
  }
}

/**
 * The same of a few positions alone, in another order than the file's: passes that score tokens ask for no others.
 * @throws ZerothError as `checkAgainst` does.
 */
export async function checkChosen(
  { feeds, outputs, tolerance }: Probe,
  forward: PositionForward,
): Promise<void> {
  const { chosen } = forward;
  if (chosen === undefined) return;
  const { shape, data, dataType } = outputs[chosen.output];
  const [rows, sequence, width] = shape;
  const positions = Int32Array.of(rows * sequence - 1, 0, Math.floor((rows * sequence) / 2));
  const bytes = data.byteLength / (rows * sequence);
  const wanted = Buffer.concat([...positions].map((at) => data.subarray(at * bytes, (at + 1) * bytes)));
  const part = { dataType, shape: [1, positions.length, width], data: new Uint8Array(wanted) };
  const run = (_: Feeds, names: readonly string[]) => forward.run(chosen.at(feeds, positions), names);
  await checkAgainst({ feeds, tolerance, outputs: { [chosen.output]: part } }, { run });
}

/**
 * Of a graph that puts tokens of its own in front of a row. What comes out is something else then, but for the same tokens, so that its
 * shape is the same.
 * @param addition The request field of what was put there.
 * @throws ZerothError invalid-argument on it where a shape is another, or the graph cannot run.
 */
export async function checkShapes(
  { feeds, outputs }: Probe,
  rewritten: Forward,
  inputs: readonly TensorSpec[],
  addition: string,
): Promise<void> {
  const names = Object.keys(outputs).filter((name) => !isPresent(name));
  const wanted = Object.fromEntries(inputs.map(({ name }) => [name, feeds[name]]));
  const got = await rewritten.run(wanted, names).catch((error: unknown) => {
    if (!isAboutModel(error)) throw error;
    const expected = `a model that takes so many tokens in front of rows of ${SIZE.free}`;
    throw invalid(`${addition}.tokens`, expected, (error as ZerothError).message);
  });
  const other = names.find((name) => got[name].shape.join() !== outputs[name].shape.join());
  if (other === undefined) return;
  const [expected, came] = [outputs[other], got[other]].map(describe);
  throw invalid(addition, `a model whose "${other}" is ${expected} with tokens in front, too`, came);
}

function floatOutputs(outputs: readonly TensorSpec[]): string[] {
  return outputs.filter(({ dataType }) => isScored(dataType)).map(({ name }) => name);
}

/** Relative to the largest magnitude; what is not finite has to be the same on both sides. */
function differenceOf(wanted: Tensor, got: Tensor): number {
  if (wanted.shape.join() !== got.shape.join()) return Number.POSITIVE_INFINITY;
  const [a, b] = [wanted, got].map(scoresOf);
  let [largest, most] = [0, 0];
  for (let i = 0; i < a.length; i++) {
    if (Object.is(a[i], b[i])) {
      if (Number.isFinite(a[i])) largest = Math.max(largest, Math.abs(a[i]));
      continue;
    }
    if (!Number.isFinite(a[i]) || !Number.isFinite(b[i])) return Number.POSITIVE_INFINITY;
    largest = Math.max(largest, Math.abs(a[i]));
    most = Math.max(most, Math.abs(a[i] - b[i]));
  }
  return most === 0 ? 0 : most / largest;
}
