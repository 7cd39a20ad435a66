// Functions 15 to 24 of BBOB: multi-modal, with and without a global structure.
import {
  dot,
  gauss,
  mixing,
  OTHER,
  optimum,
  rotation,
  scaled,
  through,
  transposed,
  uniform,
} from './draws.ts';
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

export const rotatedRastrigin: Make = (n, seed) => {
  const best = optimum(n, seed);
  const first = rotation(n, seed + OTHER);
  const second = mixing(n, seed, 10);
  return {
    best,
    excess: (x) =>
      rastrigin(through(asymmetric(0.2, through(minus(x, best), first).map(oscillated)), second)),
  };
};

export const weierstrass: Make = (n, seed) => {
  const best = optimum(n, seed);
  const first = rotation(n, seed + OTHER);
  const second = mixing(n, seed, 1 / 100);
  const waves = (x: number) =>
    sum(Array.from({ length: 12 }, (_, k) => 0.5 ** k * Math.cos(2 * Math.PI * 3 ** k * x)));
  const least = waves(0.5);
  return {
    best,
    excess: (x) => {
      const z = through(through(minus(x, best), first).map(oscillated), second);
      return 10 * (sum(z.map((each) => waves(each + 0.5))) / n - least) ** 3 + (10 / n) * penalty(x);
    },
  };
};

/** Schaffers F7. */
function schaffers(condition: number): Make {
  return (n, seed) => {
    const best = optimum(n, seed);
    const first = rotation(n, seed + OTHER);
    const second = scaled(rotation(n, seed), conditioning(condition, n));
    return {
      best,
      excess: (x) => {
        const z = through(asymmetric(0.5, through(minus(x, best), first)), second);
        const terms = z.slice(1).map((next, i) => {
          const square = z[i] ** 2 + next ** 2;
          return square ** 0.25 * (Math.sin(50 * square ** 0.1) ** 2 + 1);
        });
        return (sum(terms) / (n - 1)) ** 2 + 10 * penalty(x);
      },
    };
  };
}

export const schaffersModerate = schaffers(10);
export const schaffersIll = schaffers(1000);

export const griewankRosenbrock: Make = (n, seed) => {
  const scale = Math.max(1, Math.sqrt(n) / 8);
  const matrix = scaled(rotation(n, seed), new Array<number>(n).fill(scale));
  const best = through(new Array<number>(n).fill(0.5), transposed(matrix)).map((each) => each / scale ** 2);
  return {
    best,
    excess: (x) => {
      const blocks = rosenbrock(through(x, matrix).map((each) => each + 0.5));
      return 10 + (10 * sum(blocks.map((each) => each / 4000 - Math.cos(each)))) / (n - 1);
    },
  };
};

export const schwefel: Make = (n, seed) => {
  const half = 4.2096874633 / 2;
  const best = uniform(n, seed).map((each) => half * Math.sign(each - 0.5));
  const scales = conditioning(10, n);
  return {
    best,
    excess: (x) => {
      const same = x.map((each, i) => 2 * Math.sign(best[i]) * each);
      const coupled = same.map((each, i) => (i === 0 ? each : each + 0.25 * (same[i - 1] - 2 * half)));
      const z = coupled.map((each, i) => 100 * (scales[i] * (each - 2 * half) + 2 * half));
      const mean = sum(z.map((each) => each * Math.sin(Math.sqrt(Math.abs(each))))) / n;
      return 0.01 * (418.9828872724339 - mean) + 0.01 * penalty(z, 500);
    },
  };
};

type Peaks = { readonly count: number; readonly spread: number; readonly condition: number };

/** Gallagher's Gaussian peaks. */
function gallagher({ count, spread, condition }: Peaks): Make {
  return (n, seed) => {
    const turn = rotation(n, seed);
    const order = argsort(uniform(count - 1, seed));
    const shares = ramp(count - 1);
    const conditions = [condition, ...order.map((k) => 1000 ** shares[k])];
    const scales = conditions.map((each, i) => {
      const shuffled = argsort(uniform(n, seed + 1e3 * i));
      return shuffled.map((k) => each ** (ramp(n)[k] - 0.5));
    });
    const heights = [10, ...shares.map((share) => 1.1 + 8 * share)];
    const draws = uniform(n * count, seed).map((each) => spread * (10 * each - 5));
    const peaks = conditions.map((_, i) => {
      const peak = through(draws.slice(i * n, (i + 1) * n), turn);
      return i === 0 ? peak.map((each) => 0.8 * each) : peak;
    });
    return {
      best: through(peaks[0], transposed(turn)),
      excess: (x) => {
        const z = through(x, turn);
        const values = peaks.map((peak, i) => {
          const squares = minus(z, peak).map((each) => each * each);
          return heights[i] * Math.exp((-0.5 / n) * dot(squares, scales[i]));
        });
        return oscillated(10 - Math.max(...values)) ** 2 + penalty(x);
      },
    };
  };
}

export const gallagher101 = gallagher({ count: 101, spread: 1, condition: Math.sqrt(1000) });
export const gallagher21 = gallagher({ count: 21, spread: 0.98, condition: 1000 });

export const katsuura: Make = (n, seed) => {
  const best = optimum(n, seed);
  const matrix = mixing(n, seed, 100);
  return {
    best,
    excess: (x) => {
      const factors = through(minus(x, best), matrix).map((z, i) => {
        const terms = Array.from({ length: 32 }, (_, k) => {
          const power = 2 ** (k + 1);
          return Math.abs(power * z - Math.round(power * z)) / power;
        });
        return 1 + (i + 1) * sum(terms);
      });
      const product = factors.reduce((a, b) => a * b) ** (10 / n ** 1.2);
      return (10 / n ** 2) * (product - 1) + penalty(x);
    },
  };
};

export const lunacekBiRastrigin: Make = (n, seed) => {
  const [mu, d] = [2.5, 1];
  const best = gauss(n, seed).map((each) => (mu / 2) * Math.sign(each));
  const matrix = mixing(n, seed, 100);
  const s = 1 - 0.5 / (Math.sqrt(n + 20) - 4.1);
  const other = -Math.sqrt((mu ** 2 - d) / s);
  return {
    best,
    excess: (x) => {
      const same = x.map((each, i) => 2 * Math.sign(best[i]) * each);
      const near = sum(same.map((each) => (each - mu) ** 2));
      const far = d * n + s * sum(same.map((each) => (each - other) ** 2));
      const z = through(
        same.map((each) => each - mu),
        matrix,
      );
      const waves = 10 * (n - sum(z.map((each) => Math.cos(2 * Math.PI * each))));
      return Math.min(near, far) + waves + 1e4 * penalty(x);
    },
  };
};

function argsort(values: readonly number[]): number[] {
  return values.map((_, i) => i).sort((a, b) => values[a] - values[b]);
}
