// An evaluation whose losses clients compute: outputs are read as long as there is room for them, and each piece is asked about as soon as it
// is there. The model's queue never waits for a client.
import { invalid } from '../errors.ts';
import type { Judges } from '../judge/judges.ts';
import type { Needs, Score } from '../judge/question.ts';
import type { Evaluation } from '../model/forward/evaluate.ts';
import { pieceBytes } from '../model/forward/pieces.ts';
import type { PieceOfPoint } from '../worker/messages.ts';
import type { OutputsReading } from './outputs-reading.ts';
import type { EvaluateOutcome, EvaluateRequest } from './requests.ts';

export type RemoteEvaluation = {
  readonly judges: Judges;
  /** "remote/judge" */
  readonly objective: string;
  readonly needs: Needs;
  /** "runs/*" */
  readonly run: string;
  readonly asked: EvaluateRequest;
  readonly signal: AbortSignal | undefined;
};

/** A piece's part of the loss of its point. */
type Part = { readonly loss: number; readonly weight: number };

/** @throws ZerothError where outputs are to be returned, which is what EvaluateOutputs does. */
export function checkRemote({ outputs, outputSelections = [] }: EvaluateRequest, objective: string): void {
  if (outputs.length + outputSelections.length > 0)
    throw invalid(
      'outputs',
      `none with ${objective}; EvaluateOutputs returns them`,
      String(outputs.length + outputSelections.length),
    );
}

/** @param open Reads the first portion, for which there is room then. */
export async function evaluateRemotely(
  evaluation: RemoteEvaluation,
  open: (signal: AbortSignal) => Promise<OutputsReading>,
): Promise<{ reading: OutputsReading; outcome: EvaluateOutcome }> {
  const { judges, asked } = evaluation;
  const { room, portionBytes } = judges;
  // What fails ends what is under way beside it.
  const failure = new AbortController();
  const signal = AbortSignal.any([failure.signal, ...(evaluation.signal ? [evaluation.signal] : [])]);
  const scores = new Scores(asked);
  const answers: Promise<void>[] = [];
  let scoringFrom = 0;

  const portion = async <T>(
    read: () => Promise<T>,
    piecesOf: (value: T) => readonly PieceOfPoint[],
  ): Promise<T> => {
    await room.take(portionBytes, signal);
    let taken = 0;
    try {
      const value = await read();
      for (const piece of piecesOf(value)) taken += pieceBytes(piece);
      return value;
    } finally {
      room.give(portionBytes - taken);
    }
  };

  const ask = (reading: OutputsReading, pieces: readonly PieceOfPoint[]) => {
    for (const piece of pieces) {
      const question = questionOf(evaluation, reading, piece);
      const place = scores.add(piece);
      const answer = judges
        .ask(evaluation.objective, evaluation.needs, question, signal)
        .then((score) => scores.put(place, piece, score))
        .finally(() => room.give(pieceBytes(piece)));
      answer.catch((error: unknown) => failure.abort(error));
      answers.push(answer);
    }
  };

  try {
    const first = await portion(
      async () => {
        const reading = await open(signal);
        return { reading, pieces: await reading.next() };
      },
      ({ pieces }) => pieces,
    );
    const { reading } = first;
    scoringFrom = performance.now();
    ask(reading, first.pieces);
    while (!reading.isDone)
      ask(
        reading,
        await portion(
          () => reading.next(),
          (pieces) => pieces,
        ),
      );
    await Promise.all(answers);
    const { revision, head, queueMs, journalMs } = reading.facts;
    const { movingMs, forwardMs } = reading;
    const scoringMs = performance.now() - scoringFrom;
    const timing = { queueMs, journalMs, movingMs, forwardMs, scoringMs };
    return { reading, outcome: { results: scores.results(reading.rows), revision, head, timing } };
  } catch (error) {
    failure.abort(error);
    await Promise.allSettled(answers);
    throw evaluation.signal?.aborted ? error : (failure.signal.reason ?? error);
  }
}

function questionOf({ run, asked }: RemoteEvaluation, { facts, rows }: OutputsReading, piece: PieceOfPoint) {
  const { batch } = asked;
  const dataset = batch.kind === 'dataset' ? batch.dataset : '';
  return { run, revision: facts.revision, piece, dataset, batchRows: rows };
}

/** Losses of all points, put together in the order of the pieces and not of the answers. */
class Scores {
  readonly #asked: EvaluateRequest;
  readonly #parts: Part[][];
  readonly #perExample: number[][];

  constructor(asked: EvaluateRequest) {
    this.#asked = asked;
    this.#parts = asked.points.map(() => []);
    this.#perExample = asked.points.map(() => []);
  }

  /** @returns where its part of the loss goes. */
  add({ point }: PieceOfPoint): number {
    return this.#parts[point].push({ loss: Number.NaN, weight: 0 }) - 1;
  }

  put(place: number, { point, places }: PieceOfPoint, score: Score): void {
    const rows = places.length;
    if (score.kind === 'mean') {
      if (this.#asked.perExampleLosses)
        throw invalid(
          'per_example_losses',
          'an objective with a loss for each example',
          'one whose clients answer means',
        );
      this.#parts[point][place] = { loss: score.loss, weight: score.weight || rows };
      return;
    }
    const { losses } = score;
    this.#parts[point][place] = { loss: losses.reduce((sum, loss) => sum + loss) / rows, weight: rows };
    if (this.#asked.perExampleLosses)
      for (const [i, at] of places.entries()) this.#perExample[point][at] = losses[i];
  }

  results(rows: number): Evaluation[] {
    return this.#parts.map((parts, point) => ({
      loss: meanOf(parts),
      examples: rows,
      ...(this.#asked.perExampleLosses && { perExampleLosses: Float64Array.from(this.#perExample[point]) }),
    }));
  }
}

/** One alone is what it is, to the last bit. */
function meanOf(parts: readonly Part[]): number {
  if (parts.length === 1) return parts[0].loss;
  const weight = parts.reduce((sum, part) => sum + part.weight, 0);
  return parts.reduce((sum, part) => sum + part.loss * part.weight, 0) / weight;
}
