// What CMA-ES sets from dimension and population size: table 1 of Hansen's tutorial, "The CMA
// Evolution Strategy" (arXiv 1604.00772v2), whose numbers of equations stand beside the lines.

export type Parameters = {
  readonly n: number;
  readonly lambda: number;
  readonly mu: number;
  /** lambda of them, by rank: the first mu are positive and sum to 1. */
  readonly weights: readonly number[];
  readonly sumOfWeights: number;
  readonly muEffective: number;
  readonly cSigma: number;
  readonly dSigma: number;
  readonly cC: number;
  readonly c1: number;
  readonly cMu: number;
  /** E||N(0, I)||, by the approximation that the tutorial gives below (32). */
  readonly expectedLength: number;
};

export type Variant = {
  /** Whether what ranks low shrinks the covariance (active CMA). Otherwise its weights are 0. */
  readonly active: boolean;
  /** c1 and cMu times this: 1, or (n + 2) / 3 where there are only n variances to learn (Ros and Hansen 2008). */
  readonly learning: number;
};

/** (48). */
export function defaultPopulation(n: number): number {
  return 4 + Math.floor(3 * Math.log(n));
}

/** @param lambda 2 or more. */
export function parametersOf(n: number, lambda: number, { active, learning }: Variant): Parameters {
  const mu = Math.floor(lambda / 2);
  const raw = Array.from({ length: lambda }, (_, i) => Math.log((lambda + 1) / 2) - Math.log(i + 1)); // (49)
  const positive = raw.slice(0, mu);
  const muEffective = sum(positive) ** 2 / sum(positive.map((w) => w * w));
  const c1 = Math.min(1, (learning * 2) / ((n + 1.3) ** 2 + muEffective)); // (57), alpha_cov = 2
  const cMu = Math.min(
    1 - c1,
    (learning * 2 * (1 / 4 + muEffective + 1 / muEffective - 2)) / ((n + 2) ** 2 + muEffective), // (58)
  );
  const weights = recombinationWeights({ n, raw, mu, muEffective, c1, cMu, active });
  const cSigma = (muEffective + 2) / (n + muEffective + 5); // (55)
  return {
    n,
    lambda,
    mu,
    weights,
    sumOfWeights: sum(weights),
    muEffective,
    cSigma,
    dSigma: 1 + 2 * Math.max(0, Math.sqrt((muEffective - 1) / (n + 1)) - 1) + cSigma, // (55)
    cC: (4 + muEffective / n) / (n + 4 + (2 * muEffective) / n), // (56)
    c1,
    cMu,
    expectedLength: Math.sqrt(n) * (1 - 1 / (4 * n) + 1 / (21 * n * n)),
  };
}

type Raw = Pick<Parameters, 'n' | 'mu' | 'muEffective' | 'c1' | 'cMu'> & {
  readonly raw: readonly number[];
  readonly active: boolean;
};

/** (53). The negative ones sum to no more than keeps the covariance positive definite. */
function recombinationWeights({ n, raw, mu, muEffective, c1, cMu, active }: Raw): number[] {
  const positiveSum = sum(raw.slice(0, mu));
  const negative = raw.slice(mu).map((w) => Math.min(0, w));
  const negativeSum = -sum(negative);
  const isUsed = active && negativeSum > 0 && cMu > 0;
  const negativeEffective = isUsed ? negativeSum ** 2 / sum(negative.map((w) => w * w)) : 0;
  const alphaMu = 1 + c1 / cMu; // (50)
  const alphaEffective = 1 + (2 * negativeEffective) / (muEffective + 2); // (51)
  const alphaDefinite = (1 - c1 - cMu) / (n * cMu); // (52)
  const total = isUsed ? Math.max(0, Math.min(alphaMu, alphaEffective, alphaDefinite)) : 0;
  return [
    ...raw.slice(0, mu).map((w) => w / positiveSum),
    ...negative.map((w) => (total > 0 ? (w * total) / negativeSum + 0 : 0)),
  ];
}

function sum(values: readonly number[]): number {
  return values.reduce((total, each) => total + each, 0);
}
