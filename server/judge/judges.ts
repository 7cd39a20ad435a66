// Remote objectives by name: who serves them, and what they are asked.

import type { Config } from '../config.ts';
import { invalid, ZerothError } from '../errors.ts';
import type { Judge, JudgeParts } from './judge.ts';
import { areAlike, describeNeeds, type Needs, type Question, type Score } from './question.ts';
import { REMOTE } from './remote-name.ts';
import { needsChanged, noJudge, RemoteObjective } from './remote-objective.ts';
import { Room } from './room.ts';

export type JudgesOptions = Pick<
  Config,
  | 'remoteObjectiveMs'
  | 'remoteObjectiveBytesMax'
  | 'remoteClientsMax'
  | 'remoteRequestsMax'
  | 'replyBytesMax'
  | 'queuePerModelMax'
>;

/** A client's place among those that serve an objective. */
export type Place = {
  readonly judge: Judge;
  readonly requestsMax: number;
  leave(): void;
  drain(): void;
};

/** Evaluations whose outputs are computed, or wait for answers, side by side. */
const PORTIONS = 8;

export class Judges {
  /** What outputs may take that wait for an answer, and those that are computed for it. */
  readonly room: Room;
  /** Of one evaluation at a time. */
  readonly portionBytes: number;
  readonly #options: JudgesOptions;
  readonly #objectives = new Map<string, RemoteObjective>();
  #clients = 0;
  #isLeaving = false;

  constructor(options: JudgesOptions) {
    const { remoteObjectiveBytesMax: bytes, replyBytesMax, queuePerModelMax } = options;
    this.#options = options;
    this.room = new Room(bytes, queuePerModelMax);
    this.portionBytes = Math.max(replyBytesMax, Math.floor(bytes / PORTIONS));
  }

  /** Whether it is an objective of this kind, whoever serves it. */
  isRemote(name: string): boolean {
    return REMOTE.test(name);
  }

  /** Objectives that are served now. */
  get names(): string[] {
    return [...this.#objectives.values()].filter(({ isServed }) => isServed).map(({ name }) => name);
  }

  /** What those that serve it need. @throws ZerothError unavailable where nobody does. */
  needsOf(name: string): Needs {
    const objective = this.#objectives.get(name);
    if (objective?.isServed !== true) throw noJudge(name);
    return objective.needs;
  }

  /**
   * @param needs What the outputs in the question were computed for.
   * @throws ZerothError deadline-exceeded or unavailable where no answer comes, judge-failed where the client could give none.
   */
  ask(name: string, needs: Needs, question: Question, signal?: AbortSignal): Promise<Score> {
    const there = this.#objectives.get(name);
    if (there !== undefined && !areAlike(there.needs, needs)) return Promise.reject(needsChanged(name));
    if (there === undefined && this.#isLeaving) return Promise.reject(noJudge(name));
    // Whoever served it may be back in a moment, as where questions wait already.
    const objective = there ?? this.#open(name, needs);
    return objective.ask(question, signal).finally(() => this.#forgetWhereOver(objective));
  }

  /** @throws ZerothError where there are too many, or it needs something else than the others of its objective. */
  join(name: string, needs: Needs, requests: number, parts: Omit<JudgeParts, 'requestsMax'>): Place {
    const { remoteClientsMax, remoteRequestsMax } = this.#options;
    if (!REMOTE.test(name))
      throw invalid('objective.name', '"remote/" and lower-case letters, digits and hyphens', `"${name}"`);
    if (this.#clients >= remoteClientsMax) throw tooMany(remoteClientsMax);
    const objective = this.#open(name, needs);
    const requestsMax = Math.min(Math.max(1, requests), remoteRequestsMax);
    const judge = objective.join({ ...parts, requestsMax });
    this.#clients++;
    return {
      judge,
      requestsMax,
      leave: () => {
        this.#clients--;
        objective.leave(judge);
        this.#forgetWhereOver(objective);
      },
      drain: () => {
        this.#isLeaving = true;
        objective.drain();
      },
    };
  }

  /** Hands out what has waited, to be called once a client that has joined can be asked. */
  handOut(name: string): void {
    this.#objectives.get(name)?.handOut();
  }

  #open(name: string, needs: Needs): RemoteObjective {
    const there = this.#objectives.get(name);
    if (there !== undefined && areAlike(there.needs, needs)) return there;
    if (there?.isServed === true)
      throw invalid(
        'objective',
        `${describeNeeds(there.needs)}, as the others have that serve ${name}`,
        describeNeeds(needs),
      );
    there?.giveUp(needsChanged(name));
    const objective = new RemoteObjective({ name, needs, answerMs: this.#options.remoteObjectiveMs });
    this.#objectives.set(name, objective);
    return objective;
  }

  #forgetWhereOver(objective: RemoteObjective): void {
    if (objective.isOver && this.#objectives.get(objective.name) === objective)
      this.#objectives.delete(objective.name);
  }
}

function tooMany(remoteClientsMax: number): ZerothError {
  const message = `${remoteClientsMax} clients serve objectives already (remoteClientsMax)`;
  return new ZerothError('exhausted', message, { retryAfterMs: 1000 });
}
