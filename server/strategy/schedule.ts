// How a learning rate changes over the steps of a training.
import { invalid } from '../errors.ts';
import { choice, integer, optional, type SettingsOf } from './fields.ts';

export const scheduleFields = {
  kind: choice(
    ['constant', 'linear', 'cosine'],
    'What comes after the warm-up: the full rate, or one that falls to 0 at totalSteps, in a line or as a cosine.',
  ),
  totalSteps: optional(
    integer({ minimum: 1 }, 'Steps of the whole training, the warm-up included; beyond them the rate is 0.'),
  ),
  warmupSteps: integer({ minimum: 0 }, 'Steps in which the rate grows in a line up to the full one.', 0),
};

type Schedule = SettingsOf<typeof scheduleFields>;

/** @throws ZerothError naming the option. */
export function checkSchedule(schedule: Schedule | undefined): void {
  if (schedule === undefined || schedule.kind === 'constant') return;
  const { kind, totalSteps, warmupSteps } = schedule;
  if (totalSteps === undefined || totalSteps <= warmupSteps)
    throw invalid(
      'schedule.totalSteps',
      `a whole number above the ${warmupSteps} steps of the warm-up, for ${kind}`,
      String(totalSteps ?? 'nothing'),
    );
}

/**
 * What the rate of a step is multiplied by, 0 to 1. Step k (0 for the first) of w of a warm-up has
 * (k + 1) / w: schedules that begin at 0 spend the forward passes of a step that moves nothing.
 */
export function scheduled(schedule: Schedule | undefined, step: number): number {
  if (schedule === undefined) return 1;
  const { kind, totalSteps = Infinity, warmupSteps } = schedule;
  if (step < warmupSteps) return (step + 1) / warmupSteps;
  if (kind === 'constant') return 1;
  const progress = Math.min(1, (step - warmupSteps) / (totalSteps - warmupSteps));
  return kind === 'linear' ? 1 - progress : (1 + Math.cos(Math.PI * progress)) / 2;
}
