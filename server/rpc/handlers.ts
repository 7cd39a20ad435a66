// Every service of zeroth.v1 with what answers its calls; where the calls come from is not known here.
import type { ServiceDefinition, UntypedServiceImplementation } from '@grpc/grpc-js';
import { DatasetServiceService } from '../../proto/gen/zeroth/v1/dataset_service.ts';
import { JournalServiceService } from '../../proto/gen/zeroth/v1/journal_service.ts';
import { ModelServiceService } from '../../proto/gen/zeroth/v1/model_service.ts';
import { ObjectiveServiceService } from '../../proto/gen/zeroth/v1/objective_service.ts';
import { OracleServiceService } from '../../proto/gen/zeroth/v1/oracle_service.ts';
import { RunServiceService } from '../../proto/gen/zeroth/v1/run_service.ts';
import { ServerServiceService } from '../../proto/gen/zeroth/v1/server_service.ts';
import { StudyServiceService } from '../../proto/gen/zeroth/v1/study_service.ts';
import { TrainingServiceService } from '../../proto/gen/zeroth/v1/training_service.ts';
import type { Log } from '../log.ts';
import type { Access } from './access.ts';
import { Adapter } from './adapter.ts';
import { datasetService } from './dataset-service.ts';
import type { Gate } from './gate.ts';
import { journalService } from './journal-service.ts';
import { modelService } from './model-service.ts';
import { objectiveService } from './objective-service.ts';
import { oracleService } from './oracle-service.ts';
import { runService } from './run-service.ts';
import { serverService } from './server-service.ts';
import type { Services } from './services.ts';
import { studyService } from './study-service.ts';
import { trainingService } from './training-service.ts';

export type Parts = Omit<Services, 'adapter'>;

type Handlers = readonly [definition: ServiceDefinition, implementation: UntypedServiceImplementation];

/** @param strangerBecause why a caller is refused; without it nobody is. */
export function handlersOf(
  parts: Parts,
  gate: Gate,
  log: Log,
  strangerBecause?: Access['strangerBecause'],
): readonly Handlers[] {
  const { draining } = gate;
  const services = {
    ...parts,
    adapter: new Adapter({ log, draining, strangerBecause, closedBecause: () => gate.closedBecause() }),
  };
  return [
    [ServerServiceService, serverService(services)],
    [ModelServiceService, modelService(services)],
    [DatasetServiceService, datasetService(services)],
    [RunServiceService, runService(services)],
    [OracleServiceService, oracleService(services)],
    [ObjectiveServiceService, objectiveService(services)],
    [JournalServiceService, journalService(services)],
    [TrainingServiceService, trainingService(services)],
    [StudyServiceService, studyService(services)],
  ];
}
