// zeroth/client: what a program needs that tunes models on a server. It loads nothing that computes; zeroth/local does.

export { StudyState, TrialState } from '../proto/gen/zeroth/v1/study_service.ts';
export { TrainingState } from '../proto/gen/zeroth/v1/training_service.ts';
export { ZerothError } from '../server/errors.ts';
export { bszo } from '../server/strategy/bszo.ts';
export { es } from '../server/strategy/es.ts';
export { fzoo } from '../server/strategy/fzoo.ts';
export { meazo } from '../server/strategy/meazo.ts';
export { mezo } from '../server/strategy/mezo.ts';
export { mezoGv } from '../server/strategy/mezo-gv.ts';
export { mezoSvrg } from '../server/strategy/mezo-svrg.ts';
export { spsa } from '../server/strategy/spsa.ts';
export type { Strategy } from '../server/strategy/strategy.ts';
export { zoSgdConservative } from '../server/strategy/zo-sgd-conservative.ts';
export { zoSgdMomentum } from '../server/strategy/zo-sgd-momentum.ts';
export { zoSgdSign } from '../server/strategy/zo-sgd-sign.ts';
export { zoSvrg } from '../server/strategy/zo-svrg.ts';
export type { CallOptions, Traffic } from './channel.ts';
export { connect, Zeroth } from './client.ts';
export type { ConnectOptions, TlsOptions, Token } from './connect-options.ts';
export { type CallErrorDetails, ZerothCallError } from './errors.ts';
export type { Losses, Scored, ScoreFunction, ServedObjective, ServeOptions } from './judges.ts';
export { Infeasible, type OptimizeOptions } from './optimize.ts';
export { RETRY, type RetryPolicy } from './retry.ts';
export { SeedVector } from './seed-vector.ts';
export type { SearchSpace, StudyOptions } from './study-plan.ts';
export { toFloat32, toTensor, type Values } from './tensor.ts';
export { type Budget, type Position, type TrainOptions, type TrainReport, train } from './train.ts';
