// zeroth/client: what a program needs that tunes models on a server. It loads nothing that computes; zeroth/local does.

export { ZerothError } from '../server/errors.ts';
export { mezo } from '../server/strategy/mezo.ts';
export { mezoSvrg } from '../server/strategy/mezo-svrg.ts';
export type { Strategy } from '../server/strategy/strategy.ts';
export type { CallOptions, Traffic } from './channel.ts';
export { connect, Zeroth } from './client.ts';
export { type CallErrorDetails, ZerothCallError } from './errors.ts';
export type { ChannelOptions } from './grpc-channel.ts';
export { RETRY, type RetryPolicy } from './retry.ts';
export { toFloat32, toTensor, type Values } from './tensor.ts';
export { type Budget, type Position, type TrainOptions, type TrainReport, train } from './train.ts';
