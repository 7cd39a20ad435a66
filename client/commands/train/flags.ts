// The flags of `zeroth train`.

import type { Run } from '../../../proto/gen/zeroth/v1/run_service.ts';
import { strategyNames } from '../../../server/strategy/index.ts';
import type { Budget } from '../../train.ts';
import type { Context, GroupValues } from '../command.ts';
import { choice, count, flagOf, rate, seed, text, texts, toggle, UsageError, unset } from '../flags.ts';
import { objectiveOf, rowFlags, TASKS, type Task } from '../inputs/row-flags.ts';
import { connection, givenServer } from '../server/connection.ts';
import { type ChosenStrategy, chooseStrategy, namingOptions } from './strategy-flags.ts';

const files = {
  model: text(
    'PATH',
    'an ONNX file, a folder with one, or hf:owner/name[/file]; with a server, a file of its model directory',
  ),
  tokenizer: text('DIR', "a folder with tokenizer.json, or hf:owner/name; default: the model's folder"),
  data: text('FILE', 'rows to train on: .jsonl, .csv, .tsv or .parquet'),
  eval: text('FILE', 'held-out rows: evaluated before, after and every so often'),
  out: text('FILE', 'the tuned model [tuned.onnx]'),
} as const;

const training = {
  strategy: choice(strategyNames, 'how'),
  learningRate: rate(undefined, 'of a step; 1e-7 to 1e-5 where all weights of a large model are trained'),
  epsilon: rate(undefined, 'the radius of a perturbation'),
  directions: count(undefined, 'of a step'),
  set: texts('OPTION=VALUE', 'any other option of the strategy, as often as needed'),
  batchSize: count(16, 'rows of a mini-batch'),
  steps: count(undefined, 'steps to make'),
  examples: count(undefined, 'or: examples to forward'),
  evalEvery: count(undefined, 'steps between evaluations; default: a tenth of the training'),
  seed: unset(seed(1n, 'of directions, mini-batches and masks; default: 1, or of --run its revision')),
  include: text('PATTERNS', 'tensors to train, with commas and *; default: all that can be'),
  exclude: text('PATTERNS', 'tensors to leave as they are'),
  q: count(undefined, 'mezo-svrg: steps from one full batch to the next'),
  anchorRate: rate(undefined, 'mezo-svrg: of a full-batch step; default: --learning-rate'),
  anchorDirections: count(undefined, 'mezo-svrg: of a full-batch step'),
} as const;

const additions = {
  loraRank: count(undefined, 'trains adapters of this rank, and leaves the weights as they are'),
  loraAlpha: rate(16, 'what adapters count for, times 1 / rank'),
  loraTargets: text('PATTERNS', 'layers with adapters; default: the projections of queries and values'),
  promptTokens: count(
    undefined,
    'trains a prompt of so many tokens in front of every row, and leaves the weights',
  ),
  prefixTokens: count(undefined, 'trains keys and values of so many tokens instead, of a model with a past'),
  merge: toggle('writes adapters into the weights instead of beside them'),
  head: choice(['none', 'mean', 'first-token'], 'a new classification head on what an encoder says of'),
} as const;

const servers = {
  ...connection,
  server: {
    ...connection.server,
    help: 'a server that runs already, or ZEROTH_SERVER; default: one is started, and stopped at the end',
  },
  run: text('NAME', 'goes on with a run of the server, from its newest weights, instead of a new one'),
  id: text('ID', 'of the new run, on a server; default: one is chosen'),
  detach: toggle('the server trains by itself, and this ends: zeroth watch NAME shows how it goes'),
  device: choice(['cpu', 'webgpu', 'cuda', 'auto'], 'where a server that is started computes'),
} as const;

export const trainGroups = {
  Files: files,
  Rows: rowFlags,
  Training: training,
  'Additions to the model': additions,
  Server: servers,
} as const;

type Given = GroupValues<typeof trainGroups>;

const table = { ...files, ...rowFlags, ...training, ...additions, ...servers };

export type TrainSettings = Omit<Given, 'task' | 'seed'> & {
  /** undefined where nobody said: a run that goes on has its own. */
  readonly given: Pick<Given, 'task' | 'seed'>;
  readonly task: Task;
  readonly seed: bigint;
  readonly data: string;
  readonly out: string;
  readonly chosen: ChosenStrategy;
  readonly budget: Budget;
  /** Whether a server that runs already is asked. */
  readonly isRemote: boolean;
  readonly isJson: boolean;
};

export const trainNotes = () => `zeroth help strategies lists strategies, and their options for --set.
The summary goes to standard output, everything else to standard error. Ctrl-C
stops after the step under way and still writes the model.
`;

/** @throws UsageError */
export function toTrainSettings(given: Given, { env, isJson }: Context): TrainSettings {
  const { model, data, run, detach, out = 'tuned.onnx' } = given;
  const isRemote = givenServer(given, { env }) !== undefined || run !== undefined || detach;
  if (run !== undefined) checkRun(given);
  else if (model === undefined) throw missing('--model', 'an ONNX file, or a folder with one');
  if (data === undefined) throw missing('--data', 'a file of rows to train on');
  if (given.evalEvery !== undefined && given.eval === undefined)
    throw missing('--eval', 'a file, for --eval-every');
  if (isRemote && given.tokenizer === undefined)
    throw missing(
      '--tokenizer',
      'a folder with tokenizer.json: what the server has beside its model stays there',
    );
  if (detach && given.out !== undefined)
    throw new UsageError('--out: expected none with --detach, got a file: zeroth export writes it later');
  if (given.id !== undefined && !isRemote)
    throw new UsageError('--id: expected a server that keeps the run, got none');
  if (given.merge && given.loraRank === undefined && run === undefined)
    throw missing('--lora-rank', 'a rank, for --merge');
  const { task = 'classification' } = given;
  if (given.head !== 'none' && task !== 'classification')
    throw new UsageError(`--head: expected none for ${task}, got ${given.head}`);
  const { seed: directions = 1n } = given;
  const settings = { ...given, given, task, seed: directions, data, out, isRemote, isJson };
  return { ...settings, chosen: chooseStrategy(settings), budget: budgetOf(given) };
}

/**
 * The task of the run, and seeds that it has not had: with those of the beginning every direction would come a second time.
 * @throws UsageError
 */
export function continued(settings: TrainSettings, { objective, revision }: Run): TrainSettings {
  const { given } = settings;
  const own = TASKS.find((each) => objectiveOf[each] === objective?.name);
  const task = given.task ?? own ?? settings.task;
  if (own !== undefined && task !== own)
    throw new UsageError(`--task: expected ${own}, which the run is scored by, got ${task}`);
  const changed = { ...settings, task, seed: given.seed ?? revision + 1n };
  return { ...changed, chosen: chooseStrategy(changed) };
}

/** What makes a run is settled where there is one. @throws UsageError */
function checkRun(given: Given): void {
  const makes = [
    'model',
    'include',
    'exclude',
    'loraRank',
    'loraTargets',
    'promptTokens',
    'prefixTokens',
    'id',
  ] as const;
  const extra =
    makes.find((name) => given[name] !== undefined) ?? (given.head === 'none' ? undefined : 'head');
  if (extra !== undefined) throw new UsageError(`${flagOf(extra)}: expected a new run for it, got --run`);
}

function budgetOf({ steps, examples }: Given): Budget {
  if (steps !== undefined && examples !== undefined)
    throw new UsageError('--examples: expected one of --steps and --examples, got both');
  if (steps !== undefined) return { steps };
  if (examples !== undefined) return { examples };
  throw missing('--steps', 'a number of steps, or --examples');
}

/** A message about a field or an option as one about the flag that sets it: `lora.rank` is --lora-rank. */
export function namingFlags(message: string): string {
  return namingOptions(message).replace(/^[a-zA-Z_.]+(?=: expected)/, (field) => {
    const name = field.replace(/[._]([a-z])/g, (_, letter: string) => letter.toUpperCase());
    return Object.hasOwn(table, name) ? flagOf(name) : field;
  });
}

function missing(flag: string, expected: string): UsageError {
  return new UsageError(`${flag}: expected ${expected}, got nothing`);
}
