// Whether a device moves weights as noise/1 has it. A few are moved there and by the reference before any run is: graphs may
// write where they read on some adapters only, and a compiler may take liberties with rounding.
import { ZerothError } from '../errors.ts';
import { decayBy } from '../noise/decay.ts';
import { snap } from '../noise/grid.ts';
import { moveBy } from '../noise/shift.ts';
import { noiseTable, type TableKind } from '../noise/table.ts';
import type { DeviceMemory } from '../runtime/runtime.ts';
import { CudaMovers } from './cuda-movers.ts';
import { DeviceWeights } from './device.ts';
import type { DeviceMovers } from './device-tensors.ts';
import { Movers } from './movers.ts';
import type { Move } from './weights.ts';

/** Several parts, and a last block that is not whole. */
const LENGTH = 40 * 64 + 13;
const PART_BLOCKS = 16;

const SPECS = [
  { name: 'small', shape: [77] },
  { name: 'large', shape: [LENGTH] },
];

const MOVES: readonly Move[] = [
  { seed: 3n, scale: 1e-3, times: 1 },
  { seed: 2n ** 63n + 5n, scale: -7e-4, times: -2 },
  { seed: 4n, scale: 2.5e-5, times: 3 },
  { seed: 5n, scale: -1e-2, times: 1 },
  { seed: 6n, scale: 3e-3, times: 1 },
];

/** One that no client would ask for among them: all of a weight and more. */
const DECAYS = [
  { factor: 1 - 3e-6, seed: 7n },
  { factor: 1e-9, seed: 8n },
];

/**
 * What moves weights on a device: kernels of our own where it takes them, else graphs, in place if that is right there.
 * @param onSlow told why a device that takes kernels has to do without.
 * @throws ZerothError unimplemented where it moves them wrongly in every way.
 */
export function openMovers(
  memory: DeviceMemory,
  tableKind: TableKind,
  device: string,
  onSlow: (reason: string) => void = () => undefined,
): DeviceMovers {
  const byGraphs = (isInPlace: boolean) => new Movers(memory, tableKind, isInPlace);
  return (
    tryOut(() => CudaMovers.open(memory, tableKind), onSlow) ??
    tryOut(() => byGraphs(true)) ??
    tryOut(() => byGraphs(false), fail) ??
    refuse(device)
  );
}

const WRONG = 'weights were not moved bit for bit as noise/1 has it';

/** Undefined where it cannot be had, or the self-test fails: an error is one only where nothing is left to try. */
function tryOut(
  open: () => DeviceMovers | undefined,
  onFailure: (reason: string, error?: unknown) => void = () => undefined,
): DeviceMovers | undefined {
  using opened = new DisposableStack();
  try {
    const movers = opened.use(open());
    if (movers === undefined) return undefined;
    if (isRight(movers)) opened.move();
    else onFailure(WRONG);
    return opened.disposed ? movers : undefined;
  } catch (error) {
    onFailure(error instanceof Error ? error.message : String(error), error);
    return undefined;
  }
}

function fail(_: string, error?: unknown): void {
  if (error !== undefined) throw error;
}

function refuse(device: string): never {
  const message = `${device}: expected weights to be moved bit for bit as noise/1 has it, got others in a self-test`;
  throw new ZerothError('unimplemented', `${message}; use another device`);
}

function isRight(movers: DeviceMovers): boolean {
  const weights = new DeviceWeights(SPECS, movers, { partBlocks: PART_BLOCKS });
  try {
    return SPECS.every((_, tensor) => isRightFor(weights, tensor, movers.tableKind));
  } finally {
    weights.release();
  }
}

function isRightFor(weights: DeviceWeights, tensor: number, tableKind: TableKind): boolean {
  const [length] = SPECS[tensor].shape;
  const expected = Float32Array.from({ length }, (_, i) => Math.sin(i + 1) / 3);
  weights.load(tensor, expected);
  snap(expected, weights.grids[tensor]);
  const table = noiseTable(tableKind);
  for (const moves of [MOVES.slice(0, 1), MOVES.slice(1, 3), MOVES]) {
    weights.move(moves, [tensor]);
    for (const move of moves) moveBy(expected, table, move, tensor, weights.grids[tensor]);
    if (!isSame(weights.read(tensor), expected)) return false;
  }
  for (const decay of DECAYS) {
    weights.decay({ ...decay, tensors: [tensor] });
    decayBy(expected, decay, tensor, weights.grids[tensor]);
    if (!isSame(weights.read(tensor), expected)) return false;
  }
  const exponent = weights.grids[tensor].exponent + 2;
  weights.regrid(tensor, exponent);
  snap(expected, { exponent });
  const largest = expected.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  return isSame(weights.read(tensor), expected) && weights.magnitude(tensor) === largest;
}

function isSame(got: Float32Array, expected: Float32Array): boolean {
  return got.every((value, i) => Object.is(value, expected[i]));
}
