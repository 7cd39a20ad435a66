// All strategies on one fine-tuning, each in forms that make sense.
import { turnedDigits } from './digits.ts';
import { BEFORE, linear } from './head-study.ts';
import { openNetwork } from './network.ts';
import { pretrain } from './perceptron.ts';
import { TUNING_SEED } from './small-studies.ts';
import { type Contender, combine, gradientDescent, type Study, settings } from './study.ts';

const TUNED = { rows: 512, degrees: 30, examples: 400_000, batchSize: 64 } as const;

const b = TUNED.batchSize;

const rates = (...learningRate: number[]) => combine<unknown>({ learningRate });

/** For steps of equal length, which have to shorten, and to see what it does for MeZO. */
const fallingRates = (examplesPerRow: number, ...learningRate: number[]) =>
  combine<unknown>({ learningRate, schedule: [linear(TUNED.examples, examplesPerRow * b)] });

const mezoForms: readonly Contender[] = [
  { label: 'mezo', grid: settings('mezo', b, rates(5e-4, 1e-3, 1.5e-3, 2e-3, 3e-3)) },
  {
    label: 'mezo, 8 directions',
    grid: settings('mezo', b, combine({ directions: [8], learningRate: [4e-3, 8e-3, 1.6e-2, 2.4e-2] })),
  },
  { label: 'mezo, falling rate', grid: settings('mezo', b, fallingRates(2, 1e-3, 2e-3, 3e-3, 4e-3)) },
  {
    label: 'mezo on the full batch',
    grid: settings('mezo', TUNED.rows, rates(2e-3, 4e-3, 6e-3, 1e-2, 2e-2)),
  },
];

const reducedForms: readonly Contender[] = [
  {
    label: 'mezo-svrg',
    grid: settings('mezo-svrg', b, [
      ...combine({ q: [2], eta1: [1e-3, 2e-3, 3e-3], eta2: [5e-4, 1e-3] }),
      ...combine({ q: [2], eta1: [3e-3, 5e-3, 8e-3], eta2: [2e-3] }),
    ]),
  },
  {
    label: 'mezo-svrg, anchor of 128 rows',
    grid: settings('mezo-svrg', b, [
      ...combine({ q: [2], anchorRows: [128], eta1: [1e-3, 2e-3], eta2: [5e-4, 1e-3] }),
      ...combine({ q: [2], anchorRows: [128], eta1: [1e-3, 2e-3, 4e-3], eta2: [2e-3] }),
    ]),
  },
  {
    label: 'zo-svrg',
    grid: settings(
      'zo-svrg',
      b,
      combine({ m: [10], directions: [10], learningRate: [3e-4, 1e-3, 3e-3, 6e-3, 1e-2] }),
    ),
  },
];

const zoSgdForms: readonly Contender[] = [
  { label: 'zo-sgd-sign', grid: settings('zo-sgd-sign', b, fallingRates(2, 1e-3, 2e-3, 4e-3, 8e-3)) },
  { label: 'zo-sgd-conservative', grid: settings('zo-sgd-conservative', b, rates(1e-3, 2e-3, 4e-3, 8e-3)) },
  { label: 'zo-sgd-momentum', grid: settings('zo-sgd-momentum', b, rates(5e-5, 1e-4, 2e-4, 4e-4)) },
];

const populationForms: readonly Contender[] = [
  {
    label: 'fzoo',
    grid: settings('fzoo', b, combine({ epsilon: [1e-3], learningRate: [2e-3, 4e-3, 8e-3, 1.6e-2, 3.2e-2] })),
  },
  { label: 'es', grid: settings('es', b, rates(5e-3, 1e-2, 2e-2, 4e-2, 8e-2)) },
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
    grid: settings(
      'mezo-gv',
      b,
      combine<unknown>({ guide: ['greedy'], learningRate: [5e-4, 1e-3, 2e-3, 4e-3] }),
    ),
  },
];

const adaptiveForms: readonly Contender[] = [
  {
    label: 'spsa',
    grid: settings('spsa', b, combine({ c: [1e-3], stability: [300], a: [0.03, 0.06, 0.12, 0.24] })),
  },
  {
    label: 'spsa, blocking',
    grid: settings(
      'spsa',
      b,
      combine({ c: [1e-3], stability: [300], blockingTolerance: [0.02], a: [0.06, 0.12, 0.24] }),
    ),
  },
  { label: 'meazo', grid: settings('meazo', b, rates(1e-3, 2e-3, 4e-3, 8e-3)) },
  {
    label: 'bszo',
    grid: settings(
      'bszo',
      b,
      combine({ epsilon: [1e-3], sigmaPrior: [3], sigmaNoise: [1], learningRate: [5e-4, 1e-3, 2e-3, 4e-3] }),
    ),
  },
];

export const tableStudy: Study = {
  name: 'strategies.table',
  title: 'Every strategy on one fine-tuning',
  about: [
    'The perceptron of 784-32-16-10 has been trained on 6,006 upright digits; all of its 25,818 weights are tuned to digits turned by 30 degrees: 512 to train on, 1,996 to test with, none of them seen before. Mini-batches of 64. ONNX graphs in the engine.',
  ],
  contenders: [
    ...mezoForms,
    ...reducedForms,
    ...zoSgdForms,
    ...populationForms,
    ...adaptiveForms,
    { label: 'gradient descent', grid: gradientDescent(b, [0.02, 0.05, 0.1, 0.2]) },
  ],
  examples: TUNED.examples,
  tuningSeed: TUNING_SEED,
  seeds: [1, 2, 3],
  async open() {
    const { before, train, test } = turnedDigits(TUNED);
    const layers = await pretrain(before, { ...BEFORE, widths: [784, 32, 16, 10] });
    return openNetwork({ start: () => layers, train, test });
  },
};
