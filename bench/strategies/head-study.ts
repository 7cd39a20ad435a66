// A regime: a new last layer on a network that has been trained before, few rows.
import { newDigits } from './digits.ts';
import { pretrain } from './perceptron.ts';
import { SEEDS, TUNING_SEED } from './small-studies.ts';
import { featuresOf, softmax } from './softmax.ts';
import { type Contender, combine, gradientDescent, type Problem, type Study, settings } from './study.ts';
import { vectorProblem } from './vectors.ts';

/** How networks are trained first: about as far as they get. */
export const BEFORE = { seed: 1, epochs: 5, batchSize: 64, learningRate: 0.1 };

const FEATURES = {
  rows: 250,
  known: 5,
  classes: 5,
  l2: 1e-2,
  examples: 4_000_000,
  batchSize: 32,
} as const;

/** A rate that falls in a line to 0 at the end of the budget. */
export const linear = (examples: number, examplesPerStep: number) => ({
  kind: 'linear',
  totalSteps: Math.floor(examples / examplesPerStep),
});

const headContenders: readonly Contender[] = [
  {
    label: 'MeZO',
    grid: settings('mezo', FEATURES.batchSize, [
      ...combine({ learningRate: [5e-4, 1e-3, 2e-3, 4e-3] }),
      ...combine<unknown>({
        learningRate: [2e-3, 4e-3, 1e-2],
        schedule: [linear(FEATURES.examples, 2 * FEATURES.batchSize)],
      }),
    ]),
  },
  {
    label: 'MeZO-SVRG',
    grid: [
      ...settings(
        'mezo-svrg',
        8,
        combine({ q: [2], eta1: [2e-2, 3e-2, 5e-2, 8e-2], eta2: [1e-2, 2e-2, 3e-2] }),
      ),
      ...settings('mezo-svrg', FEATURES.batchSize, combine({ q: [2], eta1: [2e-2, 3e-2], eta2: [1e-2] })),
    ],
  },
  {
    label: 'MeZO on the full batch',
    grid: settings('mezo', FEATURES.rows, combine({ learningRate: [2e-2, 4e-2, 6e-2, 8e-2, 1e-1, 1.5e-1] })),
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
