// One stream of ServeObjective: requests come, the caller's function scores them, scores go back.
import {
  ObjectiveServiceService,
  type Score,
  type ScoreRequest,
  type ServedObjective,
  type ServeObjectiveRequest,
  type ServeObjectiveResponse,
} from '../proto/gen/zeroth/v1/objective_service.ts';
import type { Channel, Duplex } from './channel.ts';

export type JudgeStreamParts = {
  readonly objective: ServedObjective;
  readonly score: (request: ScoreRequest, signal: AbortSignal) => Promise<Score>;
  /** Requests may come. */
  readonly onServed: () => void;
  /** Once: with an error where the stream broke, without one where either side has ended it. */
  readonly onOver: (error?: unknown) => void;
};

export class JudgeStream {
  readonly #call: Duplex<ServeObjectiveRequest>;
  readonly #parts: JudgeStreamParts;
  /** Scores for a stream that is over are of no use to anybody. */
  readonly #over = new AbortController();
  #isEnding = false;
  #underWay = 0;

  constructor(channel: Channel, parts: JudgeStreamParts) {
    this.#parts = parts;
    this.#call = channel.duplex<ServeObjectiveRequest, ServeObjectiveResponse>(
      ObjectiveServiceService.serveObjective,
      {
        onResponse: (response) => this.#receive(response),
        onOver: (error) => {
          this.#over.abort();
          parts.onOver(error);
        },
      },
    );
    this.#call.write({ part: { $case: 'objective', value: parts.objective } });
  }

  /** Answers what has come, and goes. */
  end(): void {
    this.#isEnding = true;
    this.#endWhereDone();
  }

  /** What is under way is of no use any more. */
  cancel(): void {
    this.#call.cancel();
  }

  #receive({ part }: ServeObjectiveResponse): void {
    if (part?.$case === 'served') this.#parts.onServed();
    if (part?.$case === 'request') void this.#answer(part.value);
  }

  async #answer(request: ScoreRequest): Promise<void> {
    this.#underWay++;
    const score = await this.#parts.score(request, this.#over.signal);
    this.#underWay--;
    if (this.#over.signal.aborted) return;
    this.#call.write({ part: { $case: 'score', value: score } });
    this.#endWhereDone();
  }

  #endWhereDone(): void {
    if (this.#isEnding && this.#underWay === 0 && !this.#over.signal.aborted) this.#call.end();
  }
}
