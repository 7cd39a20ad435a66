// The 24 noiseless functions of BBOB, with their instances (INRIA RR-6829). test/bench/bbob.test.ts holds
// them to values of COCO's own code.
import { optimalValue } from './draws.ts';
import * as multimodal from './multimodal.ts';
import * as smooth from './smooth.ts';

/** One function in n dimensions: where its optimum is, and how far above it f is. */
type Made = {
  readonly best: readonly number[];
  readonly excess: (x: readonly number[]) => number;
};

export type Make = (n: number, seed: number) => Made;

export type Problem = {
  readonly name: string;
  readonly best: readonly number[];
  readonly optimalValue: number;
  readonly evaluate: (x: readonly number[]) => number;
};

/** By number, from 1. */
const functions: readonly (readonly [string, Make])[] = [
  ['sphere', smooth.sphere],
  ['separable ellipsoid', smooth.separableEllipsoid],
  ['separable Rastrigin', smooth.separableRastrigin],
  ['Bueche-Rastrigin', smooth.bucheRastrigin],
  ['linear slope', smooth.linearSlope],
  ['attractive sector', smooth.attractiveSector],
  ['step ellipsoid', smooth.stepEllipsoid],
  ['Rosenbrock', smooth.rosenbrockOriginal],
  ['rotated Rosenbrock', smooth.rosenbrockRotated],
  ['ellipsoid', smooth.ellipsoid],
  ['discus', smooth.discus],
  ['bent cigar', smooth.bentCigar],
  ['sharp ridge', smooth.sharpRidge],
  ['different powers', smooth.differentPowers],
  ['Rastrigin', multimodal.rotatedRastrigin],
  ['Weierstrass', multimodal.weierstrass],
  ['Schaffers F7', multimodal.schaffersModerate],
  ['Schaffers F7, ill-conditioned', multimodal.schaffersIll],
  ['Griewank-Rosenbrock', multimodal.griewankRosenbrock],
  ['Schwefel', multimodal.schwefel],
  ["Gallagher's 101 peaks", multimodal.gallagher101],
  ["Gallagher's 21 peaks", multimodal.gallagher21],
  ['Katsuura', multimodal.katsuura],
  ['Lunacek bi-Rastrigin', multimodal.lunacekBiRastrigin],
];

export const FUNCTIONS = functions.length;

/** Two draw with the seed of the function that they are a variant of. */
const seedOf: Readonly<Record<number, number>> = { 4: 3, 18: 17 };

/**
 * @param number 1 to 24.
 * @param instance 1, 2, ...: another optimum, another rotation, another optimal value.
 */
export function problem(number: number, dimension: number, instance: number): Problem {
  const [name, make] = functions[number - 1];
  const seed = (seedOf[number] ?? number) + 1e4 * instance;
  const { best, excess } = make(dimension, seed);
  const value = optimalValue(seed);
  return { name, best, optimalValue: value, evaluate: (x) => excess(x) + value };
}
