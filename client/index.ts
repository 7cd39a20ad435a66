/**
 * What a program needs that tunes models on a server. It loads nothing that computes but strategies and the noise of SeedVector;
 * zeroth/local does.
 * @module zeroth/client
 */

export { type ErrorDetails, type ErrorKind, ZerothError } from '../server/errors.ts';
export type { Shift } from '../server/shift.ts';
export { bszo } from '../server/strategy/bszo.ts';
export type { Place } from '../server/strategy/driver.ts';
export { es } from '../server/strategy/es.ts';
export { fzoo } from '../server/strategy/fzoo.ts';
export { meazo } from '../server/strategy/meazo.ts';
export { mezo } from '../server/strategy/mezo.ts';
export { mezoGv } from '../server/strategy/mezo-gv.ts';
export { mezoSvrg } from '../server/strategy/mezo-svrg.ts';
export { spsa } from '../server/strategy/spsa.ts';
export type { Answer, Question, StepReport, Strategy } from '../server/strategy/strategy.ts';
export { zoSgdConservative } from '../server/strategy/zo-sgd-conservative.ts';
export { zoSgdMomentum } from '../server/strategy/zo-sgd-momentum.ts';
export { zoSgdSign } from '../server/strategy/zo-sgd-sign.ts';
export { zoSvrg } from '../server/strategy/zo-svrg.ts';
export type { CallOptions, Traffic } from './channel.ts';
export { connect, Zeroth } from './client.ts';
export type { ConnectOptions, TlsOptions, Token } from './connect-options.ts';
export type { Stored, UploadOptions } from './datasets.ts';
export type { Drive, DriveOptions, DriveProgress } from './drive.ts';
export { type CallErrorDetails, isReason, type StatusName, ZerothCallError } from './errors.ts';
export type { DownloadOptions, Exported, ExportPart, ExportRequest } from './exports.ts';
export type { AfterOptions } from './journal.ts';
export type { Losses, Scored, ScoreFunction, ServedObjective, ServeOptions } from './judges.ts';
export * from './messages.ts';
export { type Evaluate, Infeasible, type OptimizeOptions, type StudyProgress } from './optimize.ts';
export type { DownloadProgress, OnDownload, OnUpload, UploadProgress } from './progress.ts';
export { type KnownReason, REASONS, type Reason } from './reasons.ts';
export { RETRY, type RetryPolicy } from './retry.ts';
export type { Weights } from './runs.ts';
export { SeedVector, type SeedVectorOptions, type Update, type Vector } from './seed-vector.ts';
export type { Point as StudyPoint, Range, SearchSpace, StudyOptions } from './study-plan.ts';
export type { ImportOptions } from './study-transfers.ts';
export { toFloat32, toTensor, type Values } from './tensor.ts';
export { type Budget, type Position, type TrainOptions, type TrainReport, train } from './train.ts';
export type { AfterEvent } from './trainings.ts';
export type { Asked, AskOptions, ClientEstimate, ClientTrial, Tell, ToldAnswer } from './trials.ts';
