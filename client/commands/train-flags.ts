// The flags of `zeroth train`.
import { strategyNames } from '../../server/strategy/index.ts';
import type { Budget } from '../train.ts';
import {
  choice,
  count,
  describeFlags,
  flagOf,
  rate,
  readFlags,
  seed,
  text,
  texts,
  toggle,
  UsageError,
  type Values,
} from './flags.ts';
import { type ChosenStrategy, chooseStrategy, describeStrategies, namingOptions } from './strategy-flags.ts';

const files = {
  model: text(
    'PATH',
    'an ONNX file, a folder with one, or hf:owner/name[/file]; with --server, a file of its model directory',
  ),
  tokenizer: text('DIR', "a folder with tokenizer.json, or hf:owner/name; default: the model's folder"),
  data: text('FILE', 'rows to train on: .jsonl, .csv, .tsv or .parquet'),
  eval: text('FILE', 'held-out rows: evaluated before, after and every so often'),
  out: text('FILE', 'the tuned model [tuned.onnx]'),
} as const;

const rows = {
  task: choice(['classification', 'causal-lm', 'masked-lm'], 'what is learned'),
  text: text('COLUMN', 'of the text [text]'),
  pair: text('COLUMN', 'of the second text of a pair'),
  label: text('COLUMN', 'of the label: a class or its name [label]'),
  template: text('TEXT', "a prompt, '{text} It was {label}.': names in braces are columns"),
  maxLength: count(undefined, 'longer rows are cut to so many tokens; default: they are refused'),
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
  seed: seed(1n, 'of directions, mini-batches and masks'),
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

const others = {
  server: text('HOST:PORT', 'a server that runs already; default: one is started, and stopped at the end'),
  device: choice(['cpu', 'webgpu', 'cuda', 'auto'], 'where the server that is started computes'),
  json: toggle('prints the summary as JSON'),
  help: toggle('shows this'),
} as const;

const table = { ...files, ...rows, ...training, ...additions, ...others };

type Given = Values<typeof table>;

export type TrainSettings = Given & {
  readonly model: string;
  readonly data: string;
  readonly out: string;
  readonly chosen: ChosenStrategy;
  readonly budget: Budget;
};

export const TRAIN_HELP = `usage: zeroth train --model PATH --data FILE --strategy NAME --learning-rate X --steps N [FLAGS]

Tunes a language model on the rows of a file, without gradients, and writes it as a model of its own.
The summary goes to standard output, everything else to standard error. Ctrl-C stops after the step under way and still
writes the model; the exit code is then 130. Otherwise: 0 done, 1 failed, 2 the command line is wrong.

Files:
${describeFlags(files)}
Rows:
${describeFlags(rows)}
Training:
${describeFlags(training)}
Strategies, and their options for --set (docs/strategies.md):
${describeStrategies()}
Additions to the model:
${describeFlags(additions)}
Other:
${describeFlags(others)}`;

/** undefined where help is asked for. @throws UsageError */
export function readTrainSettings(args: readonly string[]): TrainSettings | undefined {
  const given = readFlags(table, args);
  if (given.help) return undefined;
  const { model, data, out = 'tuned.onnx' } = given;
  if (model === undefined) throw missing('--model', 'an ONNX file, or a folder with one');
  if (data === undefined) throw missing('--data', 'a file of rows to train on');
  if (given.evalEvery !== undefined && given.eval === undefined)
    throw missing('--eval', 'a file, for --eval-every');
  if (given.server !== undefined && given.tokenizer === undefined)
    throw missing(
      '--tokenizer',
      'a folder with tokenizer.json: what the server has beside its model stays there',
    );
  if (given.merge && given.loraRank === undefined) throw missing('--lora-rank', 'a rank, for --merge');
  if (given.head !== 'none' && given.task !== 'classification')
    throw new UsageError(`--head: expected none for ${given.task}, got ${given.head}`);
  return { ...given, model, data, out, chosen: chooseStrategy(given), budget: budgetOf(given) };
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

/** 'a, b' and none. */
export function patternsOf(patterns: string | undefined): string[] {
  return (patterns ?? '').split(',').flatMap((each) => (each.trim() === '' ? [] : [each.trim()]));
}
