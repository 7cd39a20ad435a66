// What there is to see of a training, or of a run that nobody trains on the server: one stream, whatever it comes from.
import type { Entry } from '../../../proto/gen/zeroth/v1/journal_service.ts';
import type { Run } from '../../../proto/gen/zeroth/v1/run_service.ts';
import {
  BatchKind,
  type Training,
  type TrainingEvent,
  TrainingState,
} from '../../../proto/gen/zeroth/v1/training_service.ts';
import type { Zeroth } from '../../client.ts';
import { findTraining, isOpen } from '../find-training.ts';
import { isTrainingName } from '../names.ts';
import { evaluationView, trainingState } from '../views.ts';

/** Of a step: its loss. Of an entry of the journal: how far it moved. */
export type Observation = { readonly timeMs: number } & (
  | {
      readonly kind: 'step';
      readonly number: number;
      readonly step: number;
      readonly loss: number;
      readonly examplesForwarded: number;
      readonly revision: number;
      readonly stepNorm: number;
      readonly batch: 'mini' | 'full' | 'anchor';
    }
  | {
      readonly kind: 'evaluation';
      readonly number: number;
      readonly step: number;
      readonly loss: number;
      readonly revision: number;
      readonly examples: number;
    }
  | { readonly kind: 'state'; readonly number: number; readonly state: string; readonly reason: string }
  | {
      readonly kind: 'entry';
      readonly revision: number;
      readonly change: 'shifts' | 'decay' | 'regrid' | 'rollback';
      readonly shifts: number;
      /** Root of the sum of squared scales; undefined of what is no move. */
      readonly stepNorm: number | undefined;
      readonly requestId: string;
    }
);

export type Target =
  | { readonly kind: 'training'; readonly training: Training }
  | { readonly kind: 'journal'; readonly run: Run };

/** The training by its name; of a run the one that is under way, or the last one, or its journal where it has none. */
export async function findTarget(zeroth: Zeroth, name: string, isJournal: boolean): Promise<Target> {
  if (isTrainingName(name)) return { kind: 'training', training: await zeroth.trainings.get(name) };
  const run = await zeroth.runs.get(name);
  const training = isJournal ? undefined : await findTraining(zeroth, name);
  return training === undefined ? { kind: 'journal', run } : { kind: 'training', training };
}

/** Ends with the training, however often the server is started again meanwhile. */
export async function* watchTraining(
  zeroth: Zeroth,
  { name }: Training,
  signal: AbortSignal,
): AsyncGenerator<Observation, void> {
  for (let last = 0n; ; ) {
    for await (const event of zeroth.trainings.watch(name, { afterEvent: last, signal })) {
      last = event.number;
      yield fromEvent(event);
    }
    if (!isOpen(await zeroth.trainings.get(name))) return;
  }
}

/** Without an end. */
export async function* watchJournal(
  zeroth: Zeroth,
  { name }: Run,
  { after, signal }: { readonly after: number; readonly signal: AbortSignal },
): AsyncGenerator<Observation, void> {
  const entries = zeroth.journal.watch(name, { afterRevision: BigInt(after), signal });
  for await (const entry of entries) yield fromEntry(entry);
}

const batches = {
  [BatchKind.BATCH_KIND_FULL]: 'full',
  [BatchKind.BATCH_KIND_ANCHOR]: 'anchor',
} as const satisfies Partial<Record<BatchKind, string>>;

function fromEvent({ number: ordinal, time, event }: TrainingEvent): Observation {
  const [number, timeMs] = [Number(ordinal), Number(time)];
  switch (event?.$case) {
    case 'step': {
      const { step, loss, examplesForwarded, revision, stepNorm, batch } = event.value;
      const counts = {
        step: Number(step),
        examplesForwarded: Number(examplesForwarded),
        revision: Number(revision),
      };
      const kind = (batches as Partial<Record<BatchKind, 'full' | 'anchor'>>)[batch] ?? 'mini';
      return { kind: 'step', number, timeMs, ...counts, loss, stepNorm, batch: kind };
    }
    case 'evaluation':
      return { kind: 'evaluation', number, timeMs, ...evaluationView(event.value) };
    default: {
      const { state = TrainingState.TRAINING_STATE_UNSPECIFIED, reason = '' } = event?.value ?? {};
      return { kind: 'state', number, timeMs, state: trainingState(state), reason };
    }
  }
}

function fromEntry({ revision, change, requestId, time }: Entry): Observation {
  const shifts = change?.$case === 'shifts' ? change.value.shifts : [];
  const isDecay = change?.$case === 'shifts' && shifts.length === 0;
  return {
    kind: 'entry',
    timeMs: Number(time),
    revision: Number(revision),
    change: isDecay ? 'decay' : (change?.$case ?? 'shifts'),
    shifts: shifts.length,
    stepNorm: shifts.length === 0 ? undefined : Math.hypot(...shifts.map(({ scale }) => scale)),
    requestId,
  };
}
