// Checks of what a driver chooses, as tables of fields have them for what a strategy is given.
import { invalid } from '../errors.ts';

/** @throws ZerothError naming `field`. */
export function checkCount(field: string, value: number, minimum: number): void {
  if (!Number.isSafeInteger(value) || value < minimum)
    throw invalid(field, `a whole number of ${minimum} or more`, String(value));
}

/** @throws ZerothError naming `field`. */
export function checkSeed(field: string, value: bigint): void {
  if (typeof value !== 'bigint' || value < 0n || value >= 1n << 64n)
    throw invalid(field, 'a bigint from 0 to 2^64 - 1', String(value));
}
