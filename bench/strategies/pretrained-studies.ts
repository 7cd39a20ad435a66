// Studies on networks that have been trained before: a new last layer on few rows, and all strategies on a shifted task.
import { newDigits, turnedDigits } from './digits.ts';
import { openNetwork } from './network.ts';
import { pretrain } from './perceptron.ts';
import { SEEDS, TUNING_SEED } from './small-studies.ts';
import { featuresOf, softmax } from './softmax.ts';
import { type Contender, combine, gradientDescent, type Problem, type Study, settings } from './study.ts';
import { vectorProblem } from './vectors.ts';

const BEFORE = { seed: 1, epochs: 5, batchSize: 64, learningRate: 0.1 };

const FEATURES = {
  rows: 250,
  known: 5,
  classes: 5,
  l2: 1e-2,
  examples: 4_000_000,
  batchSize: 32,
} as const;

const linear = (examples: number, examplesPerStep: number) => ({
  kind: 'linear',
  totalSteps: Math.floor(examples / examplesPerStep),
});

const headContenders: readonly Contender[] = [
  {
    label: 'MeZO',
    grid: settings('mezo', FEATURES.batchSize, [
      ...combine({ learningRate: [5e-4, 1e-3, 2e-3, 4e-3] }),
      ...combine<unknown>({
        learningRate: [4e-3, 1e-2],
        schedule: [linear(FEATURES.examples, 2 * FEATURES.batchSize)],
      }),
    ]),
  },
  {
    label: 'MeZO-SVRG',
    grid: [
      ...settings('mezo-svrg', 8, combine({ q: [2], eta1: [2e-2, 3e-2], eta2: [1e-2, 2e-2] })),
      ...settings('mezo-svrg', FEATURES.batchSize, combine({ q: [2], eta1: [2e-2, 3e-2], eta2: [1e-2] })),
    ],
  },
  {
    label: 'MeZO on the full batch',
    grid: settings('mezo', FEATURES.rows, combine({ learningRate: [2e-2, 4e-2, 6e-2] })),
  },
  {
    label: 'gradient descent',
    grid: [...gradientDescent(FEATURES.rows, [0.3, 1]), ...gradientDescent(FEATURES.batchSize, [0.1])],
  },
];

export const headStudy: Study = {
  name: 'strategies.regimes.head',
  title: 'Regime: a new last layer on a pre-trained network, few rows',
  about: [
    'A perceptron of 784-32-16-5, trained on the digits 0 to 4, is kept as it is up to its last layer; a new one learns the digits 5 to 9 from its 16 features (mean 0, deviation 1): 85 weights, 50 rows of each class, cross-entropy and 0.005 |weights|^2. ' +
      'The least loss is 0.608: no weights meet every row. Computed in float64, as least squares are.',
  ],
  contenders: headContenders,
  examples: FEATURES.examples,
  tuningSeed: TUNING_SEED,
  seeds: SEEDS,
  open: openHead,
};

async function openHead(): Promise<Problem & AsyncDisposable> {
  const { known, rows, classes, l2 } = FEATURES;
  const { before, train } = newDigits({ known, rows });
  const layers = await pretrain(before, { ...BEFORE, widths: [784, 32, 16, known] });
  const labels = train.labels.map((label) => label - BigInt(known));
  const objective = softmax(featuresOf(layers, train), labels, { classes, l2 });
  return { ...vectorProblem(objective, objective.minimum), [Symbol.asyncDispose]: async () => {} };
}

const TUNED = { rows: 512, degrees: 30, examples: 400_000, batchSize: 64 } as const;

const rates = (...learningRate: number[]) => combine<unknown>({ learningRate });

/** Steps of equal length have to shorten: the rate falls in a line to 0 at the end of the budget. */
const fallingRates = (examplesPerRow: number, ...learningRate: number[]) =>
  combine<unknown>({ learningRate, schedule: [linear(TUNED.examples, examplesPerRow * TUNED.batchSize)] });

const b = TUNED.batchSize;

/** Each in forms that make sense, on grids of about the same size. */
const everyStrategy: readonly Contender[] = [
  { label: 'mezo', grid: settings('mezo', b, rates(5e-4, 1e-3, 1.5e-3, 2e-3)) },
  {
    label: 'mezo, 8 directions',
    grid: settings('mezo', b, combine({ directions: [8], learningRate: [4e-3, 8e-3, 1.6e-2] })),
  },
  {
    label: 'mezo, falling rate',
    grid: settings('mezo', b, fallingRates(2, 1e-3, 2e-3, 3e-3)),
  },
  {
    label: 'mezo on the full batch',
    grid: settings('mezo', TUNED.rows, rates(1e-3, 2e-3, 4e-3, 6e-3)),
  },
  {
    label: 'mezo-svrg',
    grid: settings('mezo-svrg', b, combine({ q: [2], eta1: [1e-3, 2e-3, 3e-3], eta2: [5e-4, 1e-3] })),
  },
  {
    label: 'mezo-svrg, anchor of 128 rows',
    grid: settings(
      'mezo-svrg',
      b,
      combine({ q: [2], anchorRows: [128], eta1: [1e-3, 2e-3], eta2: [5e-4, 1e-3] }),
    ),
  },
  {
    label: 'zo-svrg',
    grid: settings(
      'zo-svrg',
      b,
      combine({ m: [10], directions: [10], learningRate: [1e-4, 3e-4, 1e-3, 3e-3] }),
    ),
  },
  { label: 'zo-sgd-sign', grid: settings('zo-sgd-sign', b, fallingRates(2, 1e-3, 2e-3, 4e-3, 8e-3)) },
  { label: 'zo-sgd-conservative', grid: settings('zo-sgd-conservative', b, rates(1e-3, 2e-3, 4e-3)) },
  {
    label: 'zo-sgd-momentum',
    grid: settings('zo-sgd-momentum', b, rates(5e-5, 1e-4, 2e-4, 4e-4)),
  },
  {
    label: 'fzoo',
    grid: settings('fzoo', b, combine({ epsilon: [1e-3], learningRate: [2e-3, 4e-3, 8e-3, 1.6e-2] })),
  },
  { label: 'es', grid: settings('es', b, rates(5e-3, 1e-2, 2e-2, 4e-2)) },
  {
    label: 'es, antithetic, centred ranks',
    grid: settings(
      'es',
      b,
      combine<unknown>({
        antithetic: [true],
        shaping: ['centred-ranks'],
        learningRate: [2e-2, 4e-2, 8e-2, 1.6e-1],
      }),
    ),
  },
  { label: 'mezo-gv', grid: settings('mezo-gv', b, rates(2.5e-4, 5e-4, 1e-3, 2e-3)) },
  {
    label: 'mezo-gv, greedy',
    grid: settings('mezo-gv', b, combine<unknown>({ guide: ['greedy'], learningRate: [5e-4, 1e-3, 2e-3] })),
  },
  {
    label: 'spsa',
    grid: settings('spsa', b, combine({ c: [1e-3], stability: [300], a: [0.03, 0.06, 0.12] })),
  },
  {
    label: 'spsa, blocking',
    grid: settings(
      'spsa',
      b,
      combine({ c: [1e-3], stability: [300], blockingTolerance: [0.02], a: [0.06, 0.12] }),
    ),
  },
  { label: 'meazo', grid: settings('meazo', b, rates(1e-3, 2e-3, 4e-3, 8e-3)) },
  {
    label: 'bszo',
    grid: settings(
      'bszo',
      b,
      combine({ epsilon: [1e-3], sigmaPrior: [3], sigmaNoise: [1], learningRate: [5e-4, 1e-3, 2e-3] }),
    ),
  },
  { label: 'gradient descent', grid: gradientDescent(b, [0.02, 0.05, 0.1]) },
];

export const tableStudy: Study = {
  name: 'strategies.table',
  title: 'Every strategy on one fine-tuning',
  about: [
    'The perceptron of 784-32-16-10 has been trained on 6,006 upright digits; all of its 25,818 weights are tuned to digits turned by 30 degrees: 512 to train on, 1,996 to test with, none of them seen before. Mini-batches of 64. ONNX graphs in the engine.',
  ],
  contenders: everyStrategy,
  examples: TUNED.examples,
  tuningSeed: TUNING_SEED,
  seeds: [1, 2, 3],
  async open() {
    const { before, train, test } = turnedDigits(TUNED);
    const layers = await pretrain(before, { ...BEFORE, widths: [784, 32, 16, 10] });
    return openNetwork({ start: () => layers, train, test });
  },
};
