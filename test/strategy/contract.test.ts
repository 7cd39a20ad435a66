// Every strategy that there is, in each of its forms: one without a case here does not compile.
import { type StrategyName, strategyNames, strategyOf } from '../../server/strategy/index.ts';
import { keepsTheContract, type Promises } from './contract.ts';

type Case = {
  readonly options: Readonly<Record<string, unknown>>;
  /** What is special about the form; the name alone where nothing is. */
  readonly form?: string;
} & Omit<Promises, 'table'>;

const linear = { kind: 'linear', totalSteps: 4000, warmupSteps: 10 };

const cases: Record<StrategyName, readonly Case[]> = {
  mezo: [
    { options: { learningRate: 5e-3 }, descends: { steps: 2000, toShare: 0.05 } },
    {
      form: 'with four directions',
      options: { learningRate: 1e-2, directions: 4 },
      descends: { steps: 1000, toShare: 0.05 },
    },
    {
      form: 'with a schedule and decay',
      options: { learningRate: 5e-3, schedule: linear, weightDecay: 0.01, decayEvery: 5 },
      descends: { steps: 2000, toShare: 0.05 },
    },
  ],
  'mezo-svrg': [
    { options: { eta1: 1e-2, eta2: 1e-2 }, descends: { steps: 1000, toShare: 0.05 } },
    {
      form: 'with several directions and annealing',
      options: {
        q: 5,
        eta1: 1e-2,
        eta2: 4e-3,
        anchorDirections: 5,
        directions: 2,
        annealing: { window: 4, factor: 4 },
      },
      descends: { steps: 20, toShare: 0.95 },
      exceptions: {
        constantMatters: 'a window is worse where its mean is 1.05 times that of the one before',
      },
    },
    {
      form: 'with independent directions',
      options: { eta1: 5e-3, eta2: 1e-3, sharedDirections: false, directions: 2 },
      descends: { steps: 2000, toShare: 0.2 },
    },
    {
      form: 'on the full batch alone',
      options: { q: 1, eta1: 1e-2, eta2: 1e-2 },
      descends: { steps: 1000, toShare: 0.05 },
    },
    {
      form: 'with an anchor of 50 rows',
      options: { eta1: 1e-2, eta2: 1e-2, anchorRows: 50 },
      descends: { steps: 1000, toShare: 0.05 },
    },
  ],
  'zo-svrg': [
    { options: { learningRate: 1e-2 }, descends: { steps: 1000, toShare: 0.05 } },
    {
      form: 'with one shared direction',
      options: { m: 3, learningRate: 5e-3, directions: 1, sharedDirections: true },
      descends: { steps: 2000, toShare: 0.05 },
    },
  ],
  'zo-sgd-sign': [
    { options: { learningRate: 1e-2 }, descends: { steps: 2000, toShare: 0.05 } },
    {
      form: 'with three directions',
      options: { learningRate: 1e-2, directions: 3, schedule: linear },
      descends: { steps: 2000, toShare: 0.05 },
    },
  ],
  'zo-sgd-conservative': [
    { options: { learningRate: 1e-2 }, descends: { steps: 1000, toShare: 0.1 } },
    {
      form: 'with two directions',
      options: { learningRate: 1e-2, directions: 2 },
      descends: { steps: 1000, toShare: 0.1 },
    },
  ],
  'zo-sgd-momentum': [
    { options: { learningRate: 1e-3 }, descends: { steps: 1000, toShare: 0.05 } },
    {
      form: 'with a short window',
      options: { learningRate: 2e-3, window: 3, directions: 2, weightDecay: 0.1 },
      descends: { steps: 1000, toShare: 0.05 },
    },
  ],
  fzoo: [{ options: { learningRate: 1e-2, epsilon: 1e-3 }, descends: { steps: 1000, toShare: 0.05 } }],
  es: [
    { options: { learningRate: 5e-2 }, descends: { steps: 500, toShare: 0.05 } },
    {
      form: 'with antithetic pairs and centred ranks',
      options: { learningRate: 1e-1, population: 20, antithetic: true, shaping: 'centred-ranks' },
      descends: { steps: 500, toShare: 0.05 },
    },
  ],
  'mezo-gv': [
    { options: { learningRate: 5e-3 }, descends: { steps: 1000, toShare: 0.05 } },
    {
      form: 'of five candidates',
      options: { learningRate: 5e-3, candidates: 5 },
      descends: { steps: 1000, toShare: 0.05 },
    },
    {
      form: 'greedy',
      options: { learningRate: 5e-3, candidates: 4, guide: 'greedy' },
      descends: { steps: 1000, toShare: 0.05 },
    },
  ],
  spsa: [
    { options: { a: 0.05, c: 1e-2, stability: 100 }, descends: { steps: 2000, toShare: 0.1 } },
    {
      form: 'with blocking',
      options: { a: 0.05, c: 1e-2, stability: 10, blockingTolerance: 0.01, directions: 2 },
      descends: { steps: 2000, toShare: 0.1 },
    },
  ],
  meazo: [
    { options: { learningRate: 2e-2 }, descends: { steps: 2000, toShare: 0.1 } },
    {
      form: 'with four directions',
      options: { learningRate: 2e-2, directions: 4, beta: 0.9, schedule: linear },
      descends: { steps: 2000, toShare: 0.1 },
    },
  ],
  bszo: [
    {
      options: { learningRate: 1e-2, epsilon: 1e-3, sigmaPrior: 10, sigmaNoise: 10 },
      descends: { steps: 2000, toShare: 0.1 },
    },
    {
      form: 'of five directions with a fixed noise',
      options: { learningRate: 1e-2, directions: 5, observations: 7, noiseRate: 0 },
      descends: { steps: 2000, toShare: 0.1 },
    },
  ],
};

for (const name of strategyNames)
  for (const { form, options, ...promises } of cases[name]) {
    const { create, table } = strategyOf(name);
    const title = form === undefined ? name : `${name} ${form}`;
    keepsTheContract(title, (seed) => create({ ...options, seed }), { table, ...promises });
  }
