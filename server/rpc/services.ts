// What every service is built from.
import type { Config } from '../config.ts';
import type { DatasetStore } from '../dataset/store.ts';
import type { Journal } from '../journal/journal.ts';
import type { Judges } from '../judge/judges.ts';
import { checkName } from '../names.ts';
import type { Models } from '../run/models.ts';
import type { Objectives } from '../run/objectives.ts';
import type { Run } from '../run/run.ts';
import type { Runs } from '../run/runs.ts';
import type { Studies } from '../study/studies.ts';
import type { Trainings } from '../training/trainings.ts';
import type { Adapter, Call } from './adapter.ts';

export type Services = {
  readonly adapter: Adapter;
  readonly config: Config;
  readonly journal: Journal;
  readonly datasets: DatasetStore;
  readonly objectives: Objectives;
  readonly models: Models;
  readonly runs: Runs;
  readonly trainings: Trainings;
  readonly studies: Studies;
  readonly judges: Judges;
};

/**
 * The run that a request names, for the log too.
 * @throws ZerothError naming `field`, or not-found.
 */
export function getRun({ runs }: Pick<Services, 'runs'>, call: Call, name: string, field: string): Run {
  call.note({ run: checkName(name, 'runs', field) });
  return runs.get(name);
}
