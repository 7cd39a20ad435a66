// Functions 1 to 14 of BBOB: separable, of moderate and of high conditioning.
import { dot, mixing, OTHER, optimum, rotation, scaled, through, transposed } from './draws.ts';
import type { Make } from './functions.ts';
import {
  asymmetric,
  conditioning,
  minus,
  oscillated,
  penalty,
  ramp,
  rastrigin,
  rosenbrock,
  sum,
} from './transforms.ts';

export const sphere: Make = (n, seed) => {
  const best = optimum(n, seed);
  return { best, excess: (x) => sum(minus(x, best).map((each) => each * each)) };
};

export const separableEllipsoid: Make = (n, seed) => {
  const best = optimum(n, seed);
  const scales = ramp(n).map((share) => 1e6 ** share);
  return {
    best,
    excess: (x) =>
      dot(
        minus(x, best).map((each) => oscillated(each) ** 2),
        scales,
      ),
  };
};

export const separableRastrigin: Make = (n, seed) => {
  const best = optimum(n, seed);
  const scales = conditioning(10, n);
  return {
    best,
    excess: (x) =>
      rastrigin(asymmetric(0.2, minus(x, best).map(oscillated)).map((each, i) => each * scales[i])),
  };
};

export const bucheRastrigin: Make = (n, seed) => {
  const best = optimum(n, seed).map((each, i) => (i % 2 === 0 ? Math.abs(each) : each));
  const scales = conditioning(10, n);
  const skewed = (each: number, i: number) => (i % 2 === 0 && each > 0 ? 10 * each : each) * scales[i];
  return {
    best,
    excess: (x) => rastrigin(minus(x, best).map(oscillated).map(skewed)) + 100 * penalty(x),
  };
};

export const linearSlope: Make = (n, seed) => {
  const best = optimum(n, seed).map((each) => 5 * Math.sign(each));
  const slopes = conditioning(100, n).map((each, i) => Math.sign(best[i]) * each);
  const inside = (each: number, i: number) => (each * best[i] < 25 ? each : best[i]);
  return { best, excess: (x) => 5 * sum(slopes.map(Math.abs)) - dot(slopes, x.map(inside)) };
};

export const attractiveSector: Make = (n, seed) => {
  const best = optimum(n, seed);
  const matrix = mixing(n, seed, 10);
  return {
    best,
    excess: (x) => {
      const z = through(minus(x, best), matrix).map((each, i) => (each * best[i] > 0 ? 100 * each : each));
      return oscillated(dot(z, z)) ** 0.9;
    },
  };
};

export const stepEllipsoid: Make = (n, seed) => {
  const best = optimum(n, seed);
  const first = scaled(rotation(n, seed), conditioning(10, n));
  const second = rotation(n, seed + OTHER);
  const scales = ramp(n).map((share) => 100 ** share);
  const step = (each: number) => (Math.abs(each) > 0.5 ? Math.round(each) : Math.round(10 * each) / 10);
  return {
    best,
    excess: (x) => {
      const z = through(minus(x, best), first);
      const steps = through(z.map(step), second);
      const value = dot(
        steps.map((each) => each * each),
        scales,
      );
      return 0.1 * Math.max(1e-4 * Math.abs(z[0]), value) + penalty(x);
    },
  };
};

export const rosenbrockOriginal: Make = (n, seed) => {
  const best = optimum(n, seed).map((each) => 0.75 * each);
  const scale = Math.max(1, Math.sqrt(n) / 8);
  return { best, excess: (x) => sum(rosenbrock(minus(x, best).map((each) => scale * each + 1))) };
};

export const rosenbrockRotated: Make = (n, seed) => {
  const scale = Math.max(1, Math.sqrt(n) / 8);
  const matrix = scaled(rotation(n, seed), new Array<number>(n).fill(scale));
  const best = through(new Array<number>(n).fill(0.5), transposed(matrix)).map((each) => each / scale ** 2);
  return { best, excess: (x) => sum(rosenbrock(through(x, matrix).map((each) => each + 0.5))) };
};

export const ellipsoid: Make = (n, seed) => {
  const best = optimum(n, seed);
  const matrix = rotation(n, seed + OTHER);
  const scales = ramp(n).map((share) => 1e6 ** share);
  return {
    best,
    excess: (x) =>
      dot(
        through(minus(x, best), matrix).map((each) => oscillated(each) ** 2),
        scales,
      ),
  };
};

export const discus: Make = (n, seed) => {
  const best = optimum(n, seed);
  const matrix = rotation(n, seed + OTHER);
  return {
    best,
    excess: (x) => {
      const z = through(minus(x, best), matrix).map(oscillated);
      return dot(z, z) + (1e6 - 1) * z[0] ** 2;
    },
  };
};

export const bentCigar: Make = (n, seed) => {
  const best = optimum(n, seed + OTHER);
  const matrix = rotation(n, seed + OTHER);
  return {
    best,
    excess: (x) => {
      const z = through(asymmetric(0.5, through(minus(x, best), matrix)), matrix);
      return z[0] ** 2 + 1e6 * sum(z.slice(1).map((each) => each * each));
    },
  };
};

export const sharpRidge: Make = (n, seed) => {
  const best = optimum(n, seed);
  const matrix = mixing(n, seed, 10);
  return {
    best,
    excess: (x) => {
      const [first, ...rest] = through(minus(x, best), matrix);
      return first ** 2 + 100 * Math.sqrt(dot(rest, rest));
    },
  };
};

export const differentPowers: Make = (n, seed) => {
  const best = optimum(n, seed);
  const matrix = rotation(n, seed + OTHER);
  const powers = ramp(n).map((share) => 2 + 4 * share);
  return {
    best,
    excess: (x) =>
      Math.sqrt(sum(through(minus(x, best), matrix).map((each, i) => Math.abs(each) ** powers[i]))),
  };
};
