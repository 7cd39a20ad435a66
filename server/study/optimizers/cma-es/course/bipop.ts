// Which run of CMA-ES follows another where large and small populations share the evaluations: BIPOP (Hansen 2009, "Benchmarking a BI-Population
// CMA-ES on the BBOB-2009 Function Testbed", GECCO). Large runs are those of IPOP; small ones have shorter first steps too, and look elsewhere.
// What the paper leaves open is as in Hansen's programs, cmaes.m and pycma: the first run counts as a small one, lambda of a small run is at most that
// of the last large one (half of the next one's), and a small run has half of all evaluations of large ones.
import { uniforms } from '../../common/random-numbers.ts';

export type Balance = {
  /** Of this run. */
  readonly isSmall: boolean;
  /** Evaluations of runs that are over; those of the first run are small. */
  readonly large: number;
  readonly small: number;
  /** The last large run's, or the first one's. */
  readonly lambda: number;
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
  return { isSmall: false, large: 0, small: 0, lambda };
}

/** @param first lambda of the first run. */
export function nextBalance(
  { balance, index, evaluations }: Ended,
  { first, factor, seed }: { readonly first: number; readonly factor: number; readonly seed: bigint },
): Beginning {
  const isLarge = index > 0 && !balance.isSmall;
  const large = balance.large + (isLarge ? evaluations : 0);
  const small = balance.small + (isLarge ? 0 : evaluations);
  if (small >= large) {
    const lambda = Math.round(balance.lambda * factor);
    return { balance: { isSmall: false, large, small, lambda }, lambda, shorter: 1 };
  }
  const draw = uniforms(seed, index + 1, SMALL_RUNS);
  const exponent = draw() ** 2;
  return {
    balance: { isSmall: true, large, small, lambda: balance.lambda },
    lambda: Math.floor(first * (balance.lambda / first) ** exponent),
    shorter: 10 ** (-2 * draw()),
  };
}

/** Whether a small run has had its share. */
export function isSpent({ isSmall, large }: Balance, evaluations: number): boolean {
  return isSmall && evaluations >= large / 2;
}

export function isBalance({ large, small, lambda }: Balance, lambdaMax: number): boolean {
  return [large, small].every((each) => each >= 0) && lambda >= 2 && lambda <= lambdaMax;
}
