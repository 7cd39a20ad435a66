// Every strategy with options that make the tiny model's weights move.
import { NoiseTable } from '../../proto/gen/zeroth/v1/run_service.ts';
import { readOptions } from '../../server/strategy/fields.ts';
import { type StrategyName, strategyOf } from '../../server/strategy/index.ts';

/** On the way is whatever a strategy has: anchors, rounds, blocking, decay, schedules. */
const options: Readonly<Record<StrategyName, object>> = {
  mezo: {
    learningRate: 1e-1,
    directions: 2,
    weightDecay: 0.5,
    decayEvery: 2,
    // It has ended before the training does.
    schedule: { kind: 'linear', totalSteps: 7, warmupSteps: 2 },
  },
  'mezo-svrg': {
    q: 3,
    eta1: 1e-1,
    eta2: 5e-2,
    anchorDirections: 2,
    anchorRows: 20,
    annealing: { window: 2, factor: 2 },
  },
  'zo-svrg': { m: 3, learningRate: 1e-2, directions: 3 },
  'zo-sgd-sign': { learningRate: 1e-2, weightDecay: 0.1 },
  'zo-sgd-conservative': { learningRate: 1e-1 },
  'zo-sgd-momentum': { learningRate: 1e-1, window: 4, weightDecay: 0.1, decayEvery: 4 },
  fzoo: { learningRate: 1e-2, epsilon: 1e-3 },
  // Weights that leave half their range: regrids.
  es: { learningRate: 3, population: 6, antithetic: true, shaping: 'centred-ranks' },
  'mezo-gv': { learningRate: 1e-1, candidates: 4 },
  spsa: { a: 0.5, c: 0.05, blockingTolerance: 0 },
  meazo: { learningRate: 1e-2 },
  bszo: { learningRate: 1e-1, epsilon: 1e-3 },
};

/** With all defaults. */
export function optionsOf(name: StrategyName): Readonly<Record<string, unknown>> {
  return readOptions(strategyOf(name).fields, { seed: 5n, ...options[name] });
}

const tables = { gaussian: NoiseTable.NOISE_TABLE_GAUSSIAN, rademacher: NoiseTable.NOISE_TABLE_RADEMACHER };

/** The table that a run for it should have. */
export function tableOf(name: StrategyName): NoiseTable {
  return tables[strategyOf(name).table];
}
