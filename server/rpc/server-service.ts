import {
  NeedSource,
  type ServerServiceServer,
  type CustomObjectiveInfo as WireObjectiveInfo,
} from '../../proto/gen/zeroth/v1/server_service.ts';
import { limitsOf } from '../config.ts';
import { ZerothError } from '../errors.ts';
import { objectiveNames } from '../model/objective/objectives.ts';
import type { CustomObjectiveInfo } from '../run/objectives.ts';
import { strategyNames } from '../strategy/index.ts';
import { optimizerNames } from '../study/optimizers/optimizers.ts';
import { VERSION } from '../version.ts';
import { fromDataType } from './convert.ts';
import { toStrategyInfo } from './convert-strategy.ts';
import { toOptimizerInfo } from './convert-study.ts';
import type { Services } from './services.ts';

export function serverService({
  adapter,
  config,
  models,
  objectives,
  judges,
}: Services): ServerServiceServer {
  return {
    getServerInfo: adapter.unary(() => ({
      version: VERSION,
      noiseSpecs: ['noise/1'],
      strategies: [...strategyNames],
      strategyInfos: strategyNames.map(toStrategyInfo),
      optimizerInfos: optimizerNames.map(toOptimizerInfo),
      objectives: [...objectiveNames, ...objectives.files.map(({ name }) => name), ...judges.names.sort()],
      customObjectives: objectives.infos.map(fromObjectiveInfo),
      devices: [models.device],
      limits: Object.fromEntries(
        Object.entries(limitsOf(config)).map(([name, value]) => [name, BigInt(value)]),
      ),
    })),

    reloadObjectives: adapter.unary(async (_, call) => {
      if (config.objectiveDir === '') throw noFolder();
      const infos = await objectives.reload();
      await models.handObjectives();
      call.note({ objectives: objectives.files.length });
      return { customObjectives: infos.map(fromObjectiveInfo) };
    }),
  };
}

function noFolder(): ZerothError {
  const message = 'objectiveDir: expected a folder of objectives, got none; --objective-dir names one';
  return new ZerothError('unimplemented', message, { field: 'objectiveDir' });
}

const sources = {
  output: NeedSource.NEED_SOURCE_OUTPUT,
  batch: NeedSource.NEED_SOURCE_BATCH,
  either: NeedSource.NEED_SOURCE_UNSPECIFIED,
} as const;

function fromObjectiveInfo(info: CustomObjectiveInfo): WireObjectiveInfo {
  const { name, file, sha256 = '', description = '', needs = [], isPerExample = false, error } = info;
  return {
    name,
    file,
    sha256,
    description,
    needs: needs.map((need) => ({
      name: need.name,
      source: sources[need.source],
      dataTypes: need.dataTypes.map(fromDataType),
      shape: (need.shape ?? []).map(String),
    })),
    perExample: isPerExample,
    error: error?.message ?? '',
  };
}
