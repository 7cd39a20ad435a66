// What can be wrong with a study that comes from a file: whatever one line says of another is counted again here, so that no file is taken
// that would fail whoever asks for the study, or for a list of all of them.
import type { Config } from '../../config.ts';
import { whole } from '../optimizers/common/pieces.ts';
import { type Method, methodOf } from '../plan/method.ts';
import {
  ID_CHARACTERS_MAX,
  REASON_CHARACTERS_MAX,
  type StudyPlan,
  type StudyUpdate,
  type Trial,
  type TrialPoint,
} from '../plan/plan.ts';
import { isCount, isNumber, isRecord, isText } from '../plan/read-plan.ts';
import { dimensionOf, toVector } from '../space/space.ts';
import { isBetter, type Ledger } from '../trials/ledger.ts';

/** What a date may be. */
const TIME_MS_MAX = 8.64e15;
const SEED_MAX = (1n << 64n) - 1n;

export type ImportLimits = Pick<Config, 'shiftsPerRequestMax'>;

/** Counts the lines of an export; each answers whether it may be. */
export class ImportCheck {
  readonly #plan: StudyPlan;
  readonly #ledger: Ledger;
  readonly #method: Method<unknown>;
  readonly #limits: ImportLimits;
  #trials = 0;
  #candidates = 0;
  #told = 0;
  #infeasible = 0;
  #revision = 0;
  #best: number | undefined;
  #bestOfLedger: number | undefined;

  constructor(plan: StudyPlan, ledger: Ledger, limits: ImportLimits) {
    this.#plan = plan;
    this.#ledger = ledger;
    this.#limits = limits;
    this.#method = methodOf(plan);
  }

  trial(trial: Trial): boolean {
    if (!isRecord(trial)) return false;
    const { number, candidate, point, outcome, client, leaseEndMs } = trial;
    if (number !== ++this.#trials || !isText(client) || client.length > ID_CHARACTERS_MAX) return false;
    // Never asked for, or the next that was.
    if (candidate !== undefined && candidate !== this.#candidates++) return false;
    if (candidate === undefined && outcome === undefined) return false;
    return isCount(leaseEndMs) && this.#isPoint(point) && this.#countOutcome(trial);
  }

  update(update: StudyUpdate): boolean {
    return isRecord(update) && update.revision === ++this.#revision && this.#areShifts(update.shifts);
  }

  /** Whether the ledger is that of its lines, and the method goes on from its state. */
  end(): boolean {
    const { trials, told, infeasible, revision, best } = this.#ledger;
    const counts = [trials, told, infeasible, revision];
    const counted = [this.#trials, this.#told, this.#infeasible, this.#revision];
    const isBest = best === undefined ? this.#best === undefined : best.value === this.#best;
    return (
      counts.every((each, i) => each === counted[i]) &&
      isBest &&
      best?.value === this.#bestOfLedger &&
      this.#goesOn()
    );
  }

  #countOutcome({ number, outcome }: Trial): boolean {
    if (outcome === undefined) return true;
    if (!isRecord(outcome)) return false;
    this.#told++;
    if (outcome.kind === 'infeasible') {
      this.#infeasible++;
      return isText(outcome.reason) && outcome.reason.length <= REASON_CHARACTERS_MAX;
    }
    const { value } = outcome;
    if (outcome.kind !== 'told' || !isNumber(value)) return false;
    if (this.#best === undefined || isBetter(value, this.#best, this.#plan.direction === 'maximize'))
      this.#best = value;
    if (number === this.#ledger.best?.number) this.#bestOfLedger = value;
    return true;
  }

  #isPoint(point: TrialPoint): boolean {
    const { form } = this.#plan;
    if (!isRecord(point)) return false;
    if (point.kind === 'seed')
      return form.kind === 'seed' && isCount(point.revision) && this.#areShifts(point.shifts);
    if (point.kind !== 'vector' || form.kind !== 'vector' || !Array.isArray(point.vector)) return false;
    const { space } = form;
    const [low, high] = space.kind === 'box' ? [0, 1] : [-Number.MAX_VALUE, Number.MAX_VALUE];
    if (point.given !== undefined && (space.kind !== 'box' || !isRecord(point.given))) return false;
    if (point.given !== undefined && space.kind === 'box') toVector(space, point.given);
    return (
      point.vector.length === dimensionOf(space) &&
      point.vector.every((x: unknown) => isNumber(x) && x >= low && x <= high)
    );
  }

  #areShifts(shifts: unknown): boolean {
    return (
      Array.isArray(shifts) &&
      shifts.length <= this.#limits.shiftsPerRequestMax &&
      shifts.every(
        (shift) =>
          isRecord(shift) &&
          typeof shift.seed === 'bigint' &&
          shift.seed >= 0n &&
          shift.seed <= SEED_MAX &&
          isNumber(shift.scale),
      )
    );
  }

  /** The next that it gives is the one after those that the file has. */
  #goesOn(): boolean {
    const { state } = this.#ledger;
    if (!this.#method.accepts(state)) return false;
    const { asked } = whole(this.#method.ask(state, 1, Infinity));
    return asked.every(({ id, point }) => id === this.#candidates && this.#isPoint(point));
  }
}

export function isTime(value: unknown): boolean {
  return isCount(value) && value <= TIME_MS_MAX;
}
