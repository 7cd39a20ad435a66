import type { ServerServiceServer } from '../../proto/gen/zeroth/v1/server_service.ts';
import { limitsOf } from '../config.ts';
import { objectiveNames } from '../model/objectives.ts';
import { strategyNames } from '../strategy/index.ts';
import { optimizerNames } from '../study/optimizers.ts';
import { VERSION } from '../version.ts';
import { toStrategyInfo } from './convert-strategy.ts';
import { toOptimizerInfo } from './convert-study.ts';
import type { Services } from './services.ts';

export function serverService({ adapter, config, models, judges }: Services): ServerServiceServer {
  return {
    getServerInfo: adapter.unary(() => ({
      version: VERSION,
      noiseSpecs: ['noise/1'],
      strategies: [...strategyNames],
      strategyInfos: strategyNames.map(toStrategyInfo),
      optimizerInfos: optimizerNames.map(toOptimizerInfo),
      objectives: [...objectiveNames, ...judges.names.sort()],
      devices: [models.device],
      limits: Object.fromEntries(
        Object.entries(limitsOf(config)).map(([name, value]) => [name, BigInt(value)]),
      ),
    })),
  };
}
