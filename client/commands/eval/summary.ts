// What eval has found, for people and for programs.
import type { Context } from '../command.ts';
import { columns, counted, print, printJson, whole } from '../output.ts';

export type Score = {
  readonly objective: string;
  readonly loss: number;
  readonly examples: number;
  /** Positions with a label; 0 of objectives that score rows. */
  readonly tokens: number;
  readonly revision: number;
};

export type Evaluated = {
  /** Of the run, or the file of a model. */
  readonly name: string;
  readonly isRun: boolean;
  /** A file, or a dataset. */
  readonly rows: string;
  readonly scores: readonly Score[];
};

/** Objectives are losses; these are said the way people say them. */
const metrics: Readonly<Record<string, string>> = {
  accuracy: 'accuracy',
  f1: 'F1',
  exact_match: 'exact match',
};

function metricOf({ objective, loss }: Score): number | undefined {
  return Object.hasOwn(metrics, objective) ? 1 - loss : undefined;
}

export function showScores({ name, isRun, rows, scores }: Evaluated, { isJson }: Context): void {
  const [{ revision, examples }] = scores;
  if (isJson) {
    const results = scores.map((score) => {
      const { objective, loss, tokens } = score;
      return { objective, loss, metric: metricOf(score), ...(tokens > 0 && { tokens }) };
    });
    printJson({ ...(isRun ? { run: name, revision } : { model: name }), rows, examples, results });
    return;
  }
  const cells = scores.map((score) => [
    score.objective,
    Number.isFinite(score.loss) ? score.loss.toFixed(4) : 'not finite',
    meaningOf(score),
  ]);
  print(columns(['objective', 'loss', ''], cells, ['loss']));
  const where = isRun ? `${name} at revision ${whole(revision)}` : name;
  print(`\n${where}, ${counted(examples, 'row')} of ${rows}`);
}

function meaningOf(score: Score): string {
  const metric = metricOf(score);
  if (metric !== undefined) return `${metrics[score.objective]} ${(100 * metric).toFixed(1)} %`;
  return score.tokens > 0 ? counted(score.tokens, 'token') : '';
}
