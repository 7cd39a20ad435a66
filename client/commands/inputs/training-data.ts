// The files of rows to the tensors of a task, of train and eval alike.
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { invalid } from '../../../server/errors.ts';
import { type Classes, classesOf } from '../../text/labels.ts';
import { type Row, readRows } from '../../text/rows.ts';
import type { TaskOptions } from '../../text/tasks.ts';
import { type TokenTable, tokenizeRows } from '../../text/tokenize.ts';
import { openTokenizer, type TextTokenizer } from '../../text/tokenizer.ts';
import type { ModelFacts } from './model-place.ts';
import { listOf, type RowFlags, type Task } from './row-flags.ts';

export type RowSettings = RowFlags & {
  readonly task: Task;
  /** What masks are drawn from. */
  readonly seed: bigint;
  /** The file that rows are named after. */
  readonly data: string;
};

/** What rows have to fit. */
export type RowShape = {
  readonly facts: ModelFacts;
  /** Of the model, or of a head that there is; undefined where a new head takes as many as there are. */
  readonly classes: number | undefined;
  /** Positions that stand in front of every row. */
  readonly promptTokens: number;
  readonly prefixTokens: number;
};

/** Read, and not yet held against a model. */
export type Sources = {
  readonly tokenizer: TextTokenizer;
  /** Of --classes, or of config.json beside the tokenizer: class i is called names[i]. */
  readonly names: readonly string[] | undefined;
  readonly train: readonly Row[];
  readonly held: readonly Row[] | undefined;
};

export type TrainingData = {
  readonly train: TokenTable;
  readonly held: TokenTable | undefined;
  /** Names of the classes, where labels are names. */
  readonly classes: readonly string[] | undefined;
  /** Of the classes that there are in the rows; 0 of another task. */
  readonly classCount: number;
};

export async function readSources(
  { data, eval: held, classes }: { data: string; eval?: string | undefined; classes: string | undefined },
  folder: string,
): Promise<Sources> {
  return {
    tokenizer: await openTokenizer(folder),
    names: classes === undefined ? await classNames(folder) : listOf(classes),
    train: await readRows(data),
    held: held === undefined ? undefined : await readRows(held),
  };
}

/** Hugging Face's own "LABEL_0" says nothing, and is never what a row says. */
async function classNames(folder: string): Promise<readonly string[] | undefined> {
  try {
    const { id2label } = JSON.parse(await readFile(join(folder, 'config.json'), 'utf8'));
    return id2label && Object.keys(id2label).map((_, i) => String(id2label[i]));
  } catch {
    return undefined;
  }
}

/** @throws ZerothError invalid-argument naming the row, or the flag. */
export function tokenizeSources(sources: Sources, shape: RowShape, settings: RowSettings): TrainingData {
  const { tokenizer, train, held } = sources;
  const { text, pair, label, template, maxLength, task } = settings;
  const { facts } = shape;
  const { vocabularySize, hasTypeIds } = facts;
  const known = [facts.positions, tokenizer.lengthMax].filter((each) => each !== undefined);
  const positions = known.length === 0 ? undefined : positionsLeft(Math.min(...known), shape);
  const classes = task === 'classification' ? toClasses(sources, shape, settings) : undefined;
  const columns = { text, pair, label, template };
  const model = { positions, vocabularySize };
  const options = { tokenizer, task: toTask(settings, classes), columns, maxLength, model, hasTypeIds };
  return {
    train: tokenizeRows(train, options),
    held: held && tokenizeRows(held, options),
    classes: classes?.names,
    classCount: classes?.count ?? 0,
  };
}

/** What a prompt or a prefix leaves for rows. */
function positionsLeft(positions: number, { promptTokens, prefixTokens }: RowShape): number {
  const left = positions - promptTokens - prefixTokens;
  if (left > 0) return left;
  const flag = promptTokens > 0 ? '--prompt-tokens' : '--prefix-tokens';
  throw invalid(flag, `fewer tokens than the model's ${positions} positions`, `${positions - left}`);
}

function toTask({ task, seed }: RowSettings, classes: Classes | undefined): TaskOptions {
  if (classes !== undefined) return { kind: 'classification', classes };
  return task === 'masked-lm' ? { kind: task, seed } : { kind: 'causal-lm' };
}

/** Rows without a label are found, and named, when they are made examples of. */
function toClasses(
  { train, names }: Sources,
  { classes: count }: RowShape,
  { label = 'label' }: RowSettings,
) {
  const isThere = (value: unknown) => value !== undefined && value !== null && value !== '';
  const labels = train
    .map(({ place, values }) => ({ place, value: values[label] }))
    .filter(({ value }) => isThere(value));
  return classesOf(labels, { names, count });
}
