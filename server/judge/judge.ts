// One client that serves a remote objective: what it is at, and how much it takes at a time.
import { invalid, ZerothError } from '../errors.ts';
import type { Question, Score } from './question.ts';

export type JudgeParts = {
  /** Questions under way at a time. */
  readonly requestsMax: number;
  /** @param onSent The question has left: the client reads. */
  readonly ask: (id: bigint, question: Question, onSent: () => void) => void;
  /** The stream ends: the server goes down. */
  readonly end: () => void;
};

/** What becomes of a question. */
export type Settle = {
  answered(score: Score): void;
  failed(error: ZerothError): void;
};

export class Judge {
  readonly #parts: JudgeParts;
  /** By id. One that nobody waits for any more keeps its place until it is answered: the client is still at it. */
  readonly #underWay = new Map<bigint, { readonly rows: number; readonly settle: Settle | undefined }>();
  readonly #onRoom: () => void;
  #lastId = 0n;
  /** A question is on its way out: a client that does not read has this one in memory, and no other. */
  #isSending = false;

  /** @param onRoom There is room again that an answer did not make. */
  constructor(parts: JudgeParts, onRoom: () => void) {
    this.#parts = parts;
    this.#onRoom = onRoom;
  }

  /** How many more it takes now. */
  get room(): number {
    return this.#isSending ? 0 : this.#parts.requestsMax - this.#underWay.size;
  }

  /** @returns takes it back: an answer that comes later is nobody's. */
  give(question: Question, settle: Settle): () => void {
    const id = ++this.#lastId;
    const rows = question.piece.places.length;
    this.#underWay.set(id, { rows, settle });
    this.#isSending = true;
    this.#parts.ask(id, question, () => {
      this.#isSending = false;
      this.#onRoom();
    });
    return () => {
      if (this.#underWay.has(id)) this.#underWay.set(id, { rows, settle: undefined });
    };
  }

  /** @throws ZerothError where it was not asked this, or has answered: that is the end of its stream. */
  answer(id: bigint, result: Score | ZerothError): void {
    const asked = this.#underWay.get(id);
    if (asked === undefined)
      throw invalid('score.id', 'a request of this stream that is not answered yet', String(id));
    this.#underWay.delete(id);
    if (asked.settle === undefined) return;
    const failure = result instanceof ZerothError ? result : faultOf(result, asked.rows);
    if (failure !== undefined) asked.settle.failed(failure);
    else asked.settle.answered(result as Score);
  }

  end(): void {
    this.#parts.end();
  }
}

/** NaN and infinite losses are what they are, as those of any objective. */
function faultOf(score: Score, rows: number): ZerothError | undefined {
  if (score.kind === 'losses' && score.losses.length !== rows)
    return failed(`losses: expected ${rows}, one for each row, got ${score.losses.length}`);
  if (score.kind === 'mean' && !(score.weight >= 0 && Number.isFinite(score.weight)))
    return failed(`mean.weight: expected a finite number of 0 or more, got ${score.weight}`);
  return undefined;
}

function failed(message: string): ZerothError {
  return new ZerothError('judge-failed', message);
}
