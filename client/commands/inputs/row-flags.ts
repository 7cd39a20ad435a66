// Flags about rows of files, of train and eval alike: what is in them, and what is to be learned.
import { choice, count, text, unset, type Values } from '../flags.ts';

export const TASKS = ['classification', 'causal-lm', 'masked-lm'] as const;

export type Task = (typeof TASKS)[number];

/** The objective that scores a task. */
export const objectiveOf = {
  classification: 'cross_entropy',
  'causal-lm': 'causal_lm',
  'masked-lm': 'masked_lm',
} as const satisfies Record<Task, string>;

export const rowFlags = {
  task: unset(choice(TASKS, "what is learned; default: the run's, else classification")),
  text: text('COLUMN', 'of the text [text]'),
  pair: text('COLUMN', 'of the second text of a pair'),
  label: text('COLUMN', 'of the label: a class or its name [label]'),
  classes: text(
    'NAMES',
    "names of the classes in their order, with commas; default: the model's own (config.json), else as they sort",
  ),
  template: text('TEXT', "a prompt, '{text} It was {label}.': names in braces are columns"),
  maxLength: count(undefined, 'longer rows are cut to so many tokens; default: they are refused'),
} as const;

export type RowFlags = Values<typeof rowFlags>;

/** 'a, b' and none. */
export function listOf(names: string | undefined): string[] {
  return (names ?? '').split(',').flatMap((each) => (each.trim() === '' ? [] : [each.trim()]));
}
