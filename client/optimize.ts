// Loops that evaluate trials until a study is completed: one of several clients, or the only one.
import { randomUUID } from 'node:crypto';
import { StudyState, type StudyUpdate } from '../proto/gen/zeroth/v1/study_service.ts';
import type { CallOptions } from './channel.ts';
import { isReason } from './errors.ts';
import type { SeedVector, Vector } from './seed-vector.ts';
import type { Point } from './study-plan.ts';
import type { Asked, AskOptions, ClientTrial, Tell, ToldAnswer } from './trials.ts';

/** After a trial has been told. */
export type StudyProgress = {
  /** Trials that this loop has told. */
  readonly told: number;
  /** The number of the last one. */
  readonly trial: bigint;
  /** Undefined where it was infeasible. */
  readonly value: number | undefined;
};

/** Who evaluates, and how much at a time. */
export type OptimizeOptions = CallOptions & {
  /** What it throws ends the loop. */
  readonly onProgress?: ((progress: StudyProgress) => void) | undefined;
  /** Default: one of its own. */
  readonly clientId?: string;
  /** Trials asked for at a time. Default 1. */
  readonly count?: number;
  /** Longer than an evaluation takes. Default: the server's. */
  readonly leaseMs?: number;
  /** How long one request waits for a trial that others have to make way for; then there is another. Default 5 seconds. */
  readonly waitMs?: number;
};

/** A number; anything that is not finite counts as infeasible, and so does a thrown Infeasible. */
export type Evaluate<Input> = (input: Input, trial: ClientTrial) => Promise<number> | number;

/** Thrown by what is optimized where a point has no value. Other errors end the loop. */
export class Infeasible extends Error {}

const WAIT_MS = 5000;

/** The server takes no more. */
const REASON_CHARACTERS_MAX = 1000;

type Calls = {
  ask(study: string, options: AskOptions): Promise<Asked>;
  tell(
    study: string,
    values: readonly Tell[],
    options?: CallOptions & { ask?: AskOptions },
  ): Promise<ToldAnswer>;
  updates(study: string, afterRevision: bigint, options?: CallOptions): AsyncIterable<StudyUpdate>;
};

export function optimizing({ ask, tell, updates }: Calls) {
  /** Every round tells what it has and asks for more in the same message. */
  async function loop(
    study: string,
    options: OptimizeOptions,
    { evaluate, revision, prepare, isOutdated }: Loop,
  ): Promise<number> {
    const { clientId = randomUUID(), count, leaseMs, waitMs = WAIT_MS, signal, timeoutMs } = options;
    const within = { signal, timeoutMs };
    const request = (): AskOptions => ({
      clientId,
      waitMs,
      ...(count !== undefined && { count }),
      ...(leaseMs !== undefined && { leaseMs }),
      ...(revision !== undefined && { revision: revision() }),
    });
    let told = 0;
    let asked: Asked | undefined = await ask(study, { ...request(), ...within });
    while (asked !== undefined) {
      await prepare?.(asked);
      const isOver = asked.trials.length === 0 && asked.state === StudyState.STUDY_STATE_COMPLETED;
      if (isOver) return told;
      const values: Outcome[] = [];
      for (const trial of asked.trials) {
        if (isOutdated?.(trial) === true) continue;
        signal?.throwIfAborted();
        values.push(await outcomeOf(trial.number, () => evaluate(trial)));
      }
      const next = await tellAndAsk(study, values, request(), within);
      asked = next.asked;
      for (const { trial, ...outcome } of next.taken) {
        told++;
        options.onProgress?.({ told, trial, value: 'value' in outcome ? outcome.value : undefined });
      }
    }
    return told;
  }

  /** A value that somebody else was faster with is theirs: leases end, and clients come back. */
  async function tellAndAsk(
    study: string,
    values: readonly Outcome[],
    next: AskOptions,
    within: CallOptions,
  ): Promise<{ readonly taken: readonly Outcome[]; readonly asked: Asked | undefined }> {
    try {
      const { asked } = await tell(study, values, { ask: next, ...within });
      return { taken: values, asked };
    } catch (error) {
      if (!isToldByOthers(error)) throw error;
    }
    const taken: Outcome[] = [];
    for (const value of values) {
      try {
        await tell(study, [value], within);
        taken.push(value);
      } catch (error) {
        if (!isToldByOthers(error)) throw error;
      }
    }
    return { taken, asked: await ask(study, { ...next, ...within }) };
  }

  return {
    /**
     * Evaluates points of the search space until the study is completed, or the signal. Several clients share a study by
     * doing the same.
     * @returns how many trials it told.
     */
    optimize<Input extends Point = Point>(
      study: string,
      evaluate: Evaluate<Input>,
      options: OptimizeOptions = {},
    ): Promise<number> {
      return loop(study, options, { evaluate: (trial) => evaluate(trial.point as Input, trial) });
    },

    /**
     * The same in the seed form: `vector` follows the study's updates, and `evaluate` is given its values where each trial has them;
     * they are only valid until it has answered. In the end the vector is that of the study's last revision.
     */
    optimizeVector<Values extends Vector>(
      study: string,
      vector: SeedVector<Values>,
      evaluate: Evaluate<Values>,
      options: OptimizeOptions = {},
    ): Promise<number> {
      return loop(study, options, {
        revision: () => vector.revision,
        async prepare(asked) {
          vector.apply(asked.updates);
          // An answer has the first ones only, where they are many.
          if (vector.revision < asked.revision)
            for await (const update of updates(study, vector.revision, options)) vector.apply([update]);
        },
        isOutdated: (trial) => seedPointOf(trial).revision !== vector.revision,
        evaluate: (trial) => vector.at(seedPointOf(trial).shifts, (values) => evaluate(values, trial)),
      });
    },
  };
}

type Loop = {
  readonly evaluate: (trial: ClientTrial) => Promise<number> | number;
  readonly revision?: () => bigint;
  readonly prepare?: (asked: Asked) => Promise<void>;
  /** Others have told it while the answer was on its way, and the study has gone on. */
  readonly isOutdated?: (trial: ClientTrial) => boolean;
};

function seedPointOf({ number, point }: ClientTrial): Extract<Point, { shifts: unknown }> {
  if (Array.isArray(point) || typeof point !== 'object' || !('shifts' in point))
    throw new Error(`trial ${number}: expected shifts, as studies of the seed form have them`);
  return point as Extract<Point, { shifts: unknown }>;
}

type Outcome = { readonly trial: bigint } & ({ readonly value: number } | { readonly infeasible: string });

async function outcomeOf(trial: bigint, evaluate: () => Promise<number> | number): Promise<Outcome> {
  try {
    const value = await evaluate();
    return Number.isFinite(value) ? { trial, value } : { trial, infeasible: `not a finite number: ${value}` };
  } catch (error) {
    if (error instanceof Infeasible)
      return { trial, infeasible: error.message.slice(0, REASON_CHARACTERS_MAX) };
    throw error;
  }
}

function isToldByOthers(error: unknown): boolean {
  return isReason(error, 'TRIAL_TOLD');
}
