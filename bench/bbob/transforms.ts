// What BBOB does to arguments and values so that functions are less regular (INRIA RR-6829, section 0.2).

/** 0 for the first of `dimension` coordinates, 1 for the last. */
export function ramp(dimension: number): number[] {
  return Array.from({ length: dimension }, (_, i) => (dimension === 1 ? 0 : i / (dimension - 1)));
}

/** The diagonal of Lambda^alpha. */
export function conditioning(alpha: number, dimension: number): number[] {
  return ramp(dimension).map((share) => Math.sqrt(alpha) ** share);
}

/** T_osz, of one number. */
export function oscillated(x: number): number {
  if (x === 0) return 0;
  const log = Math.log(Math.abs(x)) / 0.1;
  const [fast, slow] = x > 0 ? [1, 0.79] : [0.55, 0.31];
  return Math.sign(x) * Math.exp(log + 0.49 * (Math.sin(fast * log) + Math.sin(slow * log))) ** 0.1;
}

/** T_asy^beta. */
export function asymmetric(beta: number, x: readonly number[]): number[] {
  const shares = ramp(x.length);
  return x.map((each, i) => (each > 0 ? each ** (1 + beta * shares[i] * Math.sqrt(each)) : each));
}

/** f_pen: the squared distance to the box from -bound to bound. */
export function penalty(x: readonly number[], bound = 5): number {
  return x.reduce((sum, each) => sum + Math.max(0, Math.abs(each) - bound) ** 2, 0);
}

export function rastrigin(z: readonly number[]): number {
  return z.reduce((sum, each) => sum + 10 * (1 - Math.cos(2 * Math.PI * each)) + each * each, 0);
}

export function rosenbrock(z: readonly number[]): number[] {
  return z.slice(1).map((next, i) => 100 * (z[i] ** 2 - next) ** 2 + (z[i] - 1) ** 2);
}

export function sum(values: readonly number[]): number {
  return values.reduce((total, each) => total + each, 0);
}

export function minus(a: readonly number[], b: readonly number[]): number[] {
  return a.map((each, i) => each - b[i]);
}
