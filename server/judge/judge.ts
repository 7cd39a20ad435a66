// One client that serves a remote objective: what it is at, and how much it takes at a time.
import { invalid, ZerothError } from '../errors.ts';
import type { Question, Score } from './question.ts';

export type JudgeParts = {
  /** Questions under way at a time. */
  readonly requestsMax: number;
  readonly ask: (id: bigint, question: Question) => void;
  /** The stream ends; without an error where the server goes down. */
  readonly end: (error?: ZerothError) => void;
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
  #lastId = 0n;

  constructor(parts: JudgeParts) {
    this.#parts = parts;
  }

  /** How many more it takes now. */
  get room(): number {
    return this.#parts.requestsMax - this.#underWay.size;
  }

  /** @returns takes it back: an answer that comes later is nobody's. */
  give(question: Question, settle: Settle): () => void {
    const id = ++this.#lastId;
    const rows = question.piece.places.length;
    this.#underWay.set(id, { rows, settle });
    this.#parts.ask(id, question);
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

  end(error?: ZerothError): void {
    this.#parts.end(error);
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
