// The files of rows to the tensors of a task.
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { invalid } from '../../server/errors.ts';
import { type Classes, classesOf } from '../text/labels.ts';
import { type Row, readRows } from '../text/rows.ts';
import type { TaskOptions } from '../text/tasks.ts';
import { type TokenTable, tokenizeRows } from '../text/tokenize.ts';
import { openTokenizer, type TextTokenizer } from '../text/tokenizer.ts';
import type { ModelFacts } from './model-place.ts';
import type { TrainSettings } from './train-flags.ts';

/** Read, and not yet held against a model. */
export type Sources = {
  readonly tokenizer: TextTokenizer;
  /** Of config.json beside the tokenizer: class i is called names[i]. */
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

export async function readSources(settings: TrainSettings, folder: string): Promise<Sources> {
  return {
    tokenizer: await openTokenizer(folder),
    names: await classNames(folder),
    train: await readRows(settings.data),
    held: settings.eval === undefined ? undefined : await readRows(settings.eval),
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
export function tokenizeSources(sources: Sources, facts: ModelFacts, settings: TrainSettings): TrainingData {
  const { tokenizer, train, held } = sources;
  const { text, pair, label, template, maxLength, batchSize } = settings;
  const { vocabularySize, hasTypeIds } = facts;
  const known = [facts.positions, tokenizer.lengthMax].filter((each) => each !== undefined);
  const positions = known.length === 0 ? undefined : positionsLeft(Math.min(...known), settings);
  if (batchSize > train.length)
    throw invalid('--batch-size', `at most the ${train.length} rows of ${settings.data}`, `${batchSize}`);
  const classes = settings.task === 'classification' ? toClasses(sources, facts, settings) : undefined;
  const task = toTask(settings, classes);
  const columns = { text, pair, label, template };
  const options = { tokenizer, task, columns, maxLength, model: { positions, vocabularySize }, hasTypeIds };
  return {
    train: tokenizeRows(train, options),
    held: held && tokenizeRows(held, options),
    classes: classes?.names,
    classCount: classes?.count ?? 0,
  };
}

/** What a prompt or a prefix leaves for rows. */
function positionsLeft(positions: number, { promptTokens = 0, prefixTokens = 0 }: TrainSettings): number {
  const left = positions - promptTokens - prefixTokens;
  if (left > 0) return left;
  const flag = promptTokens > 0 ? '--prompt-tokens' : '--prefix-tokens';
  throw invalid(flag, `fewer tokens than the model's ${positions} positions`, `${positions - left}`);
}

function toTask({ task, seed }: TrainSettings, classes: Classes | undefined): TaskOptions {
  if (classes !== undefined) return { kind: 'classification', classes };
  return task === 'masked-lm' ? { kind: task, seed } : { kind: 'causal-lm' };
}

/** Rows without a label are found, and named, when they are made examples of. */
function toClasses({ train, names }: Sources, facts: ModelFacts, settings: TrainSettings): Classes {
  const { label = 'label', head } = settings;
  const isThere = (value: unknown) => value !== undefined && value !== null && value !== '';
  const labels = train
    .map(({ place, values }) => ({ place, value: values[label] }))
    .filter(({ value }) => isThere(value));
  return classesOf(labels, { names, count: head === 'none' ? facts.classes : undefined });
}
