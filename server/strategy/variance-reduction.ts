// What the SVRG strategies share: a mini-batch's estimate, corrected by that of the snapshot.
import type { Anchor, Shift } from '../shift.ts';
import { descent } from './estimate.ts';
import { seedsFor } from './seeds.ts';

/** The snapshot that holds a strategy's anchor weights, by its id within the run. */
export function atSnapshot(name: string): Anchor {
  return { kind: 'snapshot', name };
}

type Draw = {
  readonly seed: bigint;
  readonly directions: number;
  readonly sharedDirections: boolean;
};

/** The directions of a mini-batch step at the current weights and at the snapshot. */
export function drawBoth({ seed, directions, sharedDirections }: Draw, step: number) {
  const here = seedsFor(seed, step, directions);
  return { here, there: sharedDirections ? here : seedsFor(seed, step, directions, directions) };
}

/** here - there, a shift a direction: scales of shared directions are subtracted. */
export function difference(
  here: readonly Shift[],
  there: readonly Shift[],
  { sharedDirections }: Pick<Draw, 'sharedDirections'>,
): Shift[] {
  if (!sharedDirections) return [...here, ...descent(there, 1)];
  return here.map(({ seed, scale }, i) => ({ seed, scale: scale - there[i].scale }));
}
