// The training that a run stands for.
import { type Training, TrainingState } from '../../proto/gen/zeroth/v1/training_service.ts';
import type { Zeroth } from '../client.ts';

/** Whether it is under way or paused: it is not over. */
export function isOpen({ state }: Training): boolean {
  return state === TrainingState.TRAINING_STATE_RUNNING || state === TrainingState.TRAINING_STATE_PAUSED;
}

/** The one that runs, else the newest of those that are paused, else the newest; undefined where the run has none. */
export async function findTraining(zeroth: Zeroth, run: string): Promise<Training | undefined> {
  const trainings = await Array.fromAsync(zeroth.trainings.list({ run }));
  const newestFirst = trainings.toSorted((a, b) => Number(b.createTime) - Number(a.createTime));
  const running = newestFirst.find(({ state }) => state === TrainingState.TRAINING_STATE_RUNNING);
  return running ?? newestFirst.find(isOpen) ?? newestFirst[0];
}
