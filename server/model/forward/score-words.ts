// Scores of the words that stand for classes, of a micro-batch: what an objective of classes scores then, ours or the operator's.
import type { Described, Tensor } from '../../tensor.ts';
import type { Batch } from '../batch/batch.ts';
import type { MicroBatch } from '../batch/gather.ts';
import { rejectOutput } from '../objective/objective.ts';
import { checkWordScores, placesOf, type WordPlaces, wordScores } from '../objective/words.ts';
import { chosenOf, int32, type PositionForward, upTo } from './position-forward.ts';
import type { LossPrograms } from './score.ts';

export type WordScoring = {
  /** The model output that has scores for every token. */
  readonly output: string;
  /** Model outputs to return, whole. */
  readonly outputs: readonly string[];
  readonly programs?: LossPrograms | undefined;
};

/**
 * Only the scores of the words come to the host, where the forward pass can leave the others.
 * @param use Given float32 [rows, classes] and what is returned.
 * @throws ZerothError invalid-argument naming the row where a candidate is no token, or a position none of the sequence.
 */
export async function withWordScores<T>(
  forward: PositionForward,
  microBatch: MicroBatch,
  batch: Batch,
  scoring: WordScoring,
  use: (scores: Tensor, results: Record<string, Tensor>) => T,
): Promise<T> {
  const { output, outputs, programs } = scoring;
  const chosen = chosenOf(forward, scoring);
  const before = chosen && wordPlaces(chosen.whole(microBatch.feeds), microBatch, batch);
  const feeds = chosen && before ? chosen.at(microBatch.feeds, before.positions) : microBatch.feeds;
  if (programs?.pickWords === true && forward.runWith !== undefined && !outputs.includes(output))
    return forward.runWith(feeds, outputs, [output], (results, kept) => {
      const { positions, candidates, classes } = before ?? wordPlaces(kept[output], microBatch, batch);
      const rows = positions.length;
      const inputs = { output: kept[output], candidates: int32([rows, classes], candidates) };
      const scope = before === undefined ? 'whole' : 'chosen';
      const places = before === undefined && { positions: int32([rows], positions) };
      const program = programs.words(kept[output].dataType, scope);
      return use(program.call({ ...inputs, ...places }, 'scores'), results);
    });
  const results = await forward.run(feeds, [...new Set([output, ...outputs])]);
  const places =
    before === undefined
      ? wordPlaces(results[output], microBatch, batch)
      : { ...before, positions: upTo(before.positions.length) };
  return use(wordScores(results[output], places), results);
}

function wordPlaces(output: Described, { rows, placeOf, extras }: MicroBatch, batch: Batch): WordPlaces {
  checkWordScores(output);
  if (output.shape[0] !== rows) rejectOutput(`a row for each of ${rows} examples`, output);
  const rowOf = (i: number) => batch.labels.rowOf(placeOf(i));
  const { candidates, positions } = batch.extraFields;
  return placesOf({ candidates: extras.candidates, positions: extras.positions }, output, {
    candidates: { field: candidates, rowOf },
    positions: { field: positions, rowOf },
  });
}
