// Which run of CMA-ES follows another where large and small populations share the evaluations: BIPOP (Hansen 2009, "Benchmarking a BI-Population
// CMA-ES on the BBOB-2009 Function Testbed", GECCO). Large runs are those of IPOP; small ones have shorter first steps too, and look elsewhere.
import { uniforms } from './random-numbers.ts';

export type Balance = {
  /** Of this run. */
  readonly isSmall: boolean;
  /** Evaluations of runs that are over; the first run is of neither kind. */
  readonly large: number;
  readonly small: number;
  /** The last large run's, or the first one's. */
  readonly lambda: number;
  /** Evaluations of a small run: half of those of the last large one. */
  readonly smallMax: number;
};

type Ended = {
  readonly balance: Balance;
  /** 0 for the first. */
  readonly index: number;
  readonly evaluations: number;
};

/** What the next run is: the first step is times `shorter`. */
type Beginning = { readonly balance: Balance; readonly lambda: number; readonly shorter: number };

/** What `purpose` of `uniforms` small runs are drawn with. */
const SMALL_RUNS = 2;

export function firstBalance(lambda: number): Balance {
  return { isSmall: false, large: 0, small: 0, lambda, smallMax: 0 };
}

/** @param first lambda of the first run. */
export function nextBalance(
  { balance, index, evaluations }: Ended,
  { first, factor, seed }: { readonly first: number; readonly factor: number; readonly seed: bigint },
): Beginning {
  const isLarge = index > 0 && !balance.isSmall;
  const large = balance.large + (isLarge ? evaluations : 0);
  const small = balance.small + (balance.isSmall ? evaluations : 0);
  const smallMax = isLarge ? evaluations / 2 : balance.smallMax;
  const spent = { large, small, smallMax };
  if (small >= large) {
    const lambda = Math.round(balance.lambda * factor);
    return { balance: { ...spent, isSmall: false, lambda }, lambda, shorter: 1 };
  }
  const draw = uniforms(seed, index + 1, SMALL_RUNS);
  const exponent = draw() ** 2;
  const lambda = Math.max(2, Math.floor(first * (balance.lambda / (2 * first)) ** exponent));
  return {
    balance: { ...spent, isSmall: true, lambda: balance.lambda },
    lambda,
    shorter: 10 ** (-2 * draw()),
  };
}

/** Whether a small run has had its share. */
export function isSpent({ isSmall, smallMax }: Balance, evaluations: number): boolean {
  return isSmall && evaluations >= smallMax;
}

export function isBalance({ large, small, lambda, smallMax }: Balance, lambdaMax: number): boolean {
  return [large, small, smallMax].every((each) => each >= 0) && lambda >= 2 && lambda <= lambdaMax;
}
