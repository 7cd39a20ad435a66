// TrainingService.
import {
  type DeepPartial,
  ListTrainingsRequest,
  StartTrainingRequest,
  type Training,
  type TrainingEvent,
  TrainingServiceService,
  TrainingState,
  type WatchTrainingResponse,
} from '../proto/gen/zeroth/v1/training_service.ts';
import type { CallOptions, Channel } from './channel.ts';
import { creating, deleting } from './named.ts';
import { pages } from './pages.ts';
import { resumable } from './resumable.ts';

export type Trainings = ReturnType<typeof trainings>;

/** Of a watched training. */
export type AfterEvent = CallOptions & {
  /** Only events after this one. Default 0: all that are kept. */
  readonly afterEvent?: bigint;
};

export function trainings(channel: Channel) {
  const service = TrainingServiceService;

  /**
   * What has happened and what will, in order, until the training is over or the loop is left. Where the stream breaks it is resumed after
   * the last event that came: none is missed and none comes twice.
   */
  async function* watch(
    name: string,
    { afterEvent = 0n, ...options }: AfterEvent = {},
  ): AsyncGenerator<TrainingEvent, void> {
    const open = (last: WatchTrainingResponse | undefined, within: CallOptions) =>
      channel.serverStream(
        service.watchTraining,
        { name, afterEvent: last?.event?.number ?? afterEvent },
        within,
      );
    for await (const { event } of resumable(open, { policy: channel.retry, ...options }))
      if (event !== undefined) yield event;
  }

  return {
    /** Checks the plan and begins. The server goes on by itself, whoever watches. Tried again where `trainingId` says how it is called. */
    async start(request: DeepPartial<StartTrainingRequest>, options?: CallOptions): Promise<Training> {
      const message = StartTrainingRequest.fromPartial(request);
      const attempt = () => channel.unary(service.startTraining, message, options);
      const isNamed = message.trainingId !== '';
      const { training } = await creating(channel, attempt, { ...options, isNamed });
      return training!;
    },

    /** By its name. */
    async get(name: string, options?: CallOptions): Promise<Training> {
      const { training } = await channel.idempotent(service.getTraining, { name }, options);
      return training!;
    },

    /** Every training, or those of a run. */
    list: ({ run = '', ...options }: CallOptions & { run?: string } = {}): AsyncIterable<Training> =>
      pages(
        (page) =>
          channel.idempotent(
            service.listTrainings,
            ListTrainingsRequest.fromPartial({ ...page, run }),
            options,
          ),
        (response) => response.trainings,
      ),

    /** What has happened and what will, in order, until the training is over or the loop is left; it survives lost connections. */
    watch,

    /** Resolves when the training is over, one way or another. */
    async finished(name: string, options: CallOptions = {}): Promise<Training> {
      const get = async () => (await channel.idempotent(service.getTraining, { name }, options)).training!;
      for (let training = await get(); ; training = await get()) {
        const { state, events } = training;
        if (state !== TrainingState.TRAINING_STATE_RUNNING && state !== TrainingState.TRAINING_STATE_PAUSED)
          return training;
        for await (const _ of watch(name, { afterEvent: events, ...options }));
      }
    },

    /** Resolves when the step under way is durable. */
    async pause(name: string, options?: CallOptions): Promise<Training> {
      const { training } = await channel.idempotent(service.pauseTraining, { name }, options);
      return training!;
    },

    /** Goes on with one that was paused. */
    async resume(name: string, options?: CallOptions): Promise<Training> {
      const { training } = await channel.idempotent(service.resumeTraining, { name }, options);
      return training!;
    },

    /** For good; resolves when the step under way is durable. */
    async stop(name: string, options?: CallOptions): Promise<Training> {
      const { training } = await channel.idempotent(service.stopTraining, { name }, options);
      return training!;
    },

    /** One that is not running. What it did to the run stays. Tried again: one that is not there any more then is deleted. */
    delete: (name: string, options?: CallOptions): Promise<void> =>
      deleting(channel, service.deleteTraining, { name }, options),
  };
}
