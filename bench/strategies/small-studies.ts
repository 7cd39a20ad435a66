// Studies on vectors of weights: least squares with and without noise.
import { agreements } from './agreement.ts';
import { leastSquares, ROWS } from './least-squares.ts';
import { type Contender, combine, gradientDescent, type Problem, type Study, settings } from './study.ts';
import { vectorProblem } from './vectors.ts';

export const TUNING_SEED = 100;
export const SEEDS = [1, 2, 3, 4, 5];

const EXAMPLES = 4_000_000;
const BATCH_SIZE = 32;
/** MeZO's steps with mini-batches: a schedule that falls has to know. */
const TOTAL_STEPS = EXAMPLES / (2 * BATCH_SIZE);

const constant = combine({ learningRate: [5e-4, 1e-3, 2e-3, 4e-3] });
const falling = combine<unknown>({
  learningRate: [5e-4, 1e-3, 2e-3, 3e-3],
  schedule: [{ kind: 'linear', totalSteps: TOTAL_STEPS }],
});

/** q = 2 as published, and a longer way between anchors, which needs more directions in them. */
const reduced = [
  ...combine({ q: [2], eta1: [2e-3, 4e-3, 6e-3], eta2: [1e-3, 2e-3, 3e-3] }),
  ...combine({ q: [2], eta1: [4e-3, 5e-3], eta2: [5e-4] }),
  ...combine({ q: [2], eta1: [5e-3], eta2: [1e-3] }),
  ...combine({ q: [10], anchorDirections: [10], eta1: [2e-2], eta2: [2e-3, 4e-3] }),
];

const contenders: readonly Contender[] = [
  { label: 'MeZO', grid: settings('mezo', BATCH_SIZE, [...constant, ...falling]) },
  { label: 'MeZO-SVRG', grid: settings('mezo-svrg', BATCH_SIZE, reduced) },
  {
    label: 'MeZO-SVRG, rates as published',
    grid: settings('mezo-svrg', BATCH_SIZE, [{ q: 2, eta1: 1e-3, eta2: 1e-5 }]),
  },
  {
    label: 'MeZO-SVRG, independent z',
    grid: settings(
      'mezo-svrg',
      BATCH_SIZE,
      combine<unknown>({
        q: [2],
        eta1: [2e-3, 4e-3],
        eta2: [1e-4, 2.5e-4, 5e-4, 1e-3],
        sharedDirections: [false],
      }),
    ),
  },
  {
    label: 'MeZO on the full batch',
    grid: settings('mezo', ROWS, combine({ learningRate: [2e-3, 4e-3, 6e-3, 8e-3] })),
  },
  {
    label: 'gradient descent',
    grid: [...gradientDescent(ROWS, [0.1, 0.2, 0.4]), ...gradientDescent(BATCH_SIZE, [0.01, 0.03, 0.06])],
  },
];

const shared = { contenders, examples: EXAMPLES, tuningSeed: TUNING_SEED, seeds: SEEDS };

const setting =
  'n = 1,000 rows, d = 100 weights, X and the true weights standard normal, y = X w + noise; the loss is the mean squared residual, the start is zero. ' +
  'Computed in float64 with the directions of noise/1, the batches and the strategies of the server.';

export const leastSquaresStudy: Study = {
  ...shared,
  name: 'strategies.least-squares',
  title: 'Least squares, noise 1e-3',
  about: [setting, 'Noise of 1e-3 as in the MeZO-SVRG paper: nearly every row is met by the solution.'],
  open: () => openLeastSquares(1e-3),
  agreement: () => agreements(EXAMPLES / 10),
};

export const noisyStudy: Study = {
  ...shared,
  name: 'strategies.regimes.noisy',
  title: 'Regime: least squares, noise 1',
  about: [setting, 'Noise of 1: no weights meet every row, so mini-batches disagree even at the solution.'],
  open: () => openLeastSquares(1),
};

async function openLeastSquares(noise: number): Promise<Problem & AsyncDisposable> {
  const objective = leastSquares(noise);
  return { ...vectorProblem(objective, objective.minimum), [Symbol.asyncDispose]: async () => {} };
}
