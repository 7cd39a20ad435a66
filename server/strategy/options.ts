// What an option of a strategy may be. Every error names the option.
import { invalid } from '../errors.ts';
import { DIRECTIONS_MAX } from './seeds.ts';

/** For rates and radii. @throws ZerothError naming `field`. */
export function checkPositive(field: string, value: number): void {
  if (!Number.isFinite(value) || value <= 0) throw invalid(field, 'a finite number above 0', String(value));
}

/** @throws ZerothError naming `field`. */
export function checkCount(field: string, value: number, minimum: number, maximum?: number): void {
  const isInside = value >= minimum && value <= (maximum ?? Number.MAX_SAFE_INTEGER);
  if (Number.isSafeInteger(value) && isInside) return;
  const expected = maximum === undefined ? `of ${minimum} or more` : `from ${minimum} to ${maximum}`;
  throw invalid(field, `a whole number ${expected}`, String(value));
}

/** `each` seeds are drawn for every direction. @throws ZerothError naming `field`. */
export function checkDirections(field: string, value: number, each = 1): void {
  checkCount(field, value, 1, DIRECTIONS_MAX / each);
}

/** @throws ZerothError naming `field`. */
export function checkSeed(field: string, value: bigint): void {
  if (typeof value !== 'bigint' || value < 0n || value >= 1n << 64n)
    throw invalid(field, 'a bigint from 0 to 2^64 - 1', String(value));
}
