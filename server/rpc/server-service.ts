import type { ServerServiceServer } from '../../proto/gen/zeroth/v1/server_service.ts';
import { limitsOf } from '../config.ts';
import { objectiveNames } from '../model/objectives.ts';
import { strategyNames } from '../strategy/index.ts';
import { VERSION } from '../version.ts';
import { toStrategyInfo } from './convert-strategy.ts';
import type { Services } from './services.ts';

export function serverService({ adapter, config, models, judges }: Services): ServerServiceServer {
  return {
    getServerInfo: adapter.unary(() => ({
      version: VERSION,
      noiseSpecs: ['noise/1'],
      strategies: [...strategyNames],
      strategyInfos: strategyNames.map(toStrategyInfo),
      objectives: [...objectiveNames, ...judges.names.sort()],
      devices: [models.device],
      limits: Object.fromEntries(
        Object.entries(limitsOf(config)).map(([name, value]) => [name, BigInt(value)]),
      ),
    })),
  };
}
