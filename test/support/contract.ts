// Every call of zeroth.v1.
import type { MethodDefinition, ServiceDefinition } from '@grpc/grpc-js';
import { DatasetServiceService } from '../../proto/gen/zeroth/v1/dataset_service.ts';
import { JournalServiceService } from '../../proto/gen/zeroth/v1/journal_service.ts';
import { ModelServiceService } from '../../proto/gen/zeroth/v1/model_service.ts';
import { ObjectiveServiceService } from '../../proto/gen/zeroth/v1/objective_service.ts';
import { OracleServiceService } from '../../proto/gen/zeroth/v1/oracle_service.ts';
import { RunServiceService } from '../../proto/gen/zeroth/v1/run_service.ts';
import { ServerServiceService } from '../../proto/gen/zeroth/v1/server_service.ts';
import { StudyServiceService } from '../../proto/gen/zeroth/v1/study_service.ts';
import { TrainingServiceService } from '../../proto/gen/zeroth/v1/training_service.ts';

// biome-ignore lint/suspicious/noExplicitAny: of every call, whatever it takes.
type AnyMethod = MethodDefinition<any, any>;

const services: readonly ServiceDefinition[] = [
  DatasetServiceService,
  JournalServiceService,
  ModelServiceService,
  ObjectiveServiceService,
  OracleServiceService,
  RunServiceService,
  ServerServiceService,
  StudyServiceService,
  TrainingServiceService,
];

export const methods: readonly AnyMethod[] = services.flatMap((service) => Object.values(service));

/** "RunService/GetRun" */
export function nameOf({ path }: { readonly path: string }): string {
  return path.replace('/zeroth.v1.', '');
}
