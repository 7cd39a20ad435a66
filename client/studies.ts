// StudyService: black-box problems that the client evaluates.
import {
  CreateStudyRequest,
  ListTrialsRequest,
  type Study,
  StudyServiceService,
} from '../proto/gen/zeroth/v1/study_service.ts';
import { asking } from './asking.ts';
import type { CallOptions, Channel } from './channel.ts';
import { creating, deleting } from './named.ts';
import { optimizing } from './optimize.ts';
import { pages } from './pages.ts';
import { type StudyOptions, toPlan, toPoint } from './study-plan.ts';
import { transferring } from './study-transfers.ts';
import { type ClientEstimate, type ClientTrial, toTrial } from './trials.ts';

export type Studies = ReturnType<typeof studies>;

export function studies(channel: Channel) {
  const service = StudyServiceService;
  const questions = asking(channel);

  return {
    /**
     * Begins a study. Tried again where `studyId` says how it is called.
     * @example
     * await zeroth.studies.create({
     *   space: { rate: { min: 1e-6, max: 1e-2, scale: 'log' }, layers: { min: 1, max: 8, whole: true } },
     *   optimizer: { name: 'cma-es', options: { seed: 1 } },
     * });
     */
    async create(request: StudyOptions, options?: CallOptions): Promise<Study> {
      const message = CreateStudyRequest.fromPartial({
        studyId: request.studyId ?? '',
        plan: toPlan(request),
      });
      const attempt = () => channel.unary(service.createStudy, message, options);
      const isNamed = message.studyId !== '';
      const { study } = await creating(channel, attempt, { ...options, isNamed });
      return study!;
    },

    /** By its name, "studies/*". */
    async get(name: string, options?: CallOptions): Promise<Study> {
      const { study } = await channel.idempotent(service.getStudy, { name }, options);
      return study!;
    },

    /** Every study. */
    list: (options: CallOptions = {}): AsyncIterable<Study> =>
      pages(
        (page) => channel.idempotent(service.listStudies, page, options),
        (response) => response.studies,
      ),

    /** With its trials. Tried again: one that is not there any more then is deleted. */
    delete: (name: string, options?: CallOptions): Promise<void> =>
      deleting(channel, service.deleteStudy, { name }, options),

    ...questions,

    /** Undefined before there is a value, and where values are noisy. */
    async best(study: string, options?: CallOptions): Promise<ClientTrial | undefined> {
      const { best } = await channel.idempotent(service.getBest, { study }, options);
      return best && toTrial(best);
    },

    /** What to take where values are noisy; undefined before anything was learned. */
    async estimate(study: string, options?: CallOptions): Promise<ClientEstimate | undefined> {
      const { estimate } = await channel.idempotent(service.getBest, { study }, options);
      return estimate && { ...estimate, point: toPoint(estimate.point) };
    },

    /** In the order of their numbers. */
    trials: (study: string, options: CallOptions = {}): AsyncIterable<ClientTrial> =>
      pages(
        (page) =>
          channel.idempotent(service.listTrials, ListTrialsRequest.fromPartial({ study, ...page }), options),
        (response) => response.trials.map(toTrial),
      ),

    /** Evaluates trials until the study is completed (client/optimize.ts). */
    ...optimizing(questions),
    ...transferring(channel),
  };
}
