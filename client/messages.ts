// Messages of the contract (proto/zeroth/v1) that calls take and give, with the words of the contract.

export { DataType, type OutputSelection, type Tensor } from '../proto/gen/zeroth/v1/common.ts';
export type { Dataset } from '../proto/gen/zeroth/v1/dataset_service.ts';
export type { Entry, VerifyRunResponse } from '../proto/gen/zeroth/v1/journal_service.ts';
export type { Model } from '../proto/gen/zeroth/v1/model_service.ts';
export type {
  EvaluateOutputsRequest,
  EvaluateOutputsResponse,
  EvaluateRequest,
  EvaluateResponse,
  PerturbRequest,
  PerturbResponse,
  StepRequest,
  StepResponse,
  UpdateRequest,
  UpdateResponse,
} from '../proto/gen/zeroth/v1/oracle_service.ts';
export {
  type CreateRunRequest,
  ExportFormat,
  type ExportHeader,
  type ExportRunRequest,
  type ExportRunResponse,
  type ForkRunRequest,
  NoiseTable,
  Pooling,
  type ReadWeightsRequest,
  type ReadWeightsResponse,
  type RollbackRunRequest,
  type RollbackRunResponse,
  type Run,
  RunState,
  type Snapshot,
} from '../proto/gen/zeroth/v1/run_service.ts';
export type { CustomObjectiveInfo, GetServerInfoResponse } from '../proto/gen/zeroth/v1/server_service.ts';
export type { Strategy as StrategyMessage } from '../proto/gen/zeroth/v1/strategy.ts';
export {
  type Study,
  StudyState,
  type StudyUpdate,
  TrialState,
} from '../proto/gen/zeroth/v1/study_service.ts';
export {
  type StartTrainingRequest,
  type Training,
  type TrainingEvent,
  TrainingState,
} from '../proto/gen/zeroth/v1/training_service.ts';
