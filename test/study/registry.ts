// The studies of a server without one: over a journal in memory, with a clock that is set by hand.
import { ZerothError } from '../../server/errors.ts';
import type { Journal } from '../../server/journal/journal.ts';
import { openJournal } from '../../server/journal/sqlite.ts';
import type { AskRequest, StudyPlan, Value } from '../../server/study/plan/plan.ts';
import { Studies, type StudiesContext } from '../../server/study/studies.ts';
import type { Study } from '../../server/study/trials/study.ts';

const LIMITS: StudiesContext['config'] = {
  studiesMax: 16,
  studyDimensionsMax: 1000,
  studyBytesMax: 2 ** 30,
  trialsOpenMax: 1024,
  trialsPerStudyMax: 100_000,
  shiftsPerRequestMax: 1024,
  leaseMsMax: 86_400_000,
};

export const forEver = new AbortController().signal;

export type Registry = Disposable & {
  readonly studies: Studies;
  readonly journal: Journal;
  readonly clock: { ms: number };
  /** As a restart finds them. */
  again(): Studies;
};

export function openRegistry(limits: Partial<StudiesContext['config']> = {}): Registry {
  const journal = openJournal(':memory:', { sync: 'normal' });
  const clock = { ms: 1_000_000 };
  const opened: Studies[] = [];
  const open = () => {
    const studies = new Studies({ config: { ...LIMITS, ...limits }, journal, now: () => clock.ms });
    studies.load();
    opened.push(studies);
    return studies;
  };
  const dispose = () => {
    for (const each of opened) each.close();
    journal.close();
  };
  return { studies: open(), journal, clock, again: open, [Symbol.dispose]: dispose };
}

/** By CMA-ES from (1, 2), unless it says otherwise. */
export function planOf(more: Partial<StudyPlan> = {}): StudyPlan {
  const space = { kind: 'vector', start: [1, 2], scale: 1 } as const;
  const optimizer = { name: 'cma-es', options: { seed: 1n } } as const;
  const form = { kind: 'vector', space, optimizer } as const;
  return { direction: 'minimize', form, trials: undefined, target: undefined, ...more };
}

export function request(more: Partial<AskRequest> = {}): AskRequest {
  return { client: 'a', requestId: '', count: 1, leaseMs: 60_000, waitMs: 0, ...more };
}

export function told(trial: number, value: number): Value {
  return { of: { trial }, outcome: { kind: 'told', value } };
}

/** Ask and Tell of somebody who never goes, of the registry that there is then. */
export function callsOf(registry: () => Registry) {
  return {
    ask: (study: Study, more: Partial<AskRequest> = {}) =>
      registry().studies.ask(study, request(more), forEver),
    tell: (study: Study, values: readonly Parameters<typeof told>[]) =>
      registry().studies.tell(
        study,
        { values: values.map((each) => told(...each)), requestId: '', ask: undefined },
        forEver,
      ),
  };
}

/** What it fails with, of ours. */
export async function errorOf(promise: Promise<unknown>): Promise<ZerothError> {
  try {
    await promise;
  } catch (error) {
    if (error instanceof ZerothError) return error;
    throw error;
  }
  throw new Error('expected an error, got a result');
}

export async function* inPieces(bytes: Uint8Array, size = bytes.length): AsyncGenerator<Uint8Array> {
  for (let start = 0; start < bytes.length; start += size) yield bytes.subarray(start, start + size);
}
