// Model outputs of points, portion by portion. Each portion takes its turn in the model's queue, which is free between them: points are
// pinned to revisions, so whatever happens to the run meanwhile, they are what they were.
import type { OutputsWork, PieceOfPoint, Portion } from '../worker/messages.ts';
import type { ChangeOutcome } from './requests.ts';

/** What is the same for all portions. */
export type ReadingFacts = {
  /** What "the head" meant. */
  readonly revision: number;
  readonly head: number;
  /** The change that was made first. */
  readonly change: ChangeOutcome | undefined;
  readonly queueMs: number;
  readonly journalMs: number;
};

export class OutputsReading {
  readonly facts: ReadingFacts;
  readonly #work: OutputsWork;
  readonly #read: (work: OutputsWork) => Promise<Portion>;
  #portion: Portion | undefined;
  /** The request's numbers of the points that the last portion was asked for. */
  #numbers: readonly number[];
  #left: Portion['left'];
  #rows: number;
  #movingMs = 0;
  #forwardMs = 0;

  /**
   * @param first What `work` came to.
   * @param read In turn.
   */
  constructor(
    facts: ReadingFacts,
    work: OutputsWork,
    first: Portion,
    read: (work: OutputsWork) => Promise<Portion>,
  ) {
    this.facts = facts;
    this.#work = work;
    this.#read = read;
    this.#numbers = [...work.points.keys()];
    this.#portion = first;
    this.#left = first.left;
    this.#rows = first.rows;
  }

  /** Of the batch. */
  get rows(): number {
    return this.#rows;
  }

  get isDone(): boolean {
    return this.#portion === undefined && this.#left.points.length === 0;
  }

  get movingMs(): number {
    return this.#movingMs;
  }

  get forwardMs(): number {
    return this.#forwardMs;
  }

  /** To be called until it `isDone`. */
  async next(): Promise<readonly PieceOfPoint[]> {
    const portion = this.#portion ?? (await this.#more());
    const numbers = this.#numbers;
    this.#portion = undefined;
    this.#left = portion.left;
    this.#movingMs += portion.movingMs;
    this.#forwardMs += portion.forwardMs;
    return portion.pieces.map((piece) => ({ ...piece, point: numbers[piece.point] }));
  }

  #more(): Promise<Portion> {
    const { points: left, from } = this.#left;
    this.#numbers = left.map((point) => this.#numbers[point]);
    const points = this.#numbers.map((number) => this.#work.points[number]);
    return this.#read({ ...this.#work, points, from });
  }
}
