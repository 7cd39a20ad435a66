// What a row means by task: its tokens and its labels.
import { invalid } from '../../server/errors.ts';
import type { Columns } from './columns.ts';
import type { Classes } from './labels.ts';
import { IGNORED, mask } from './masking.ts';
import type { Row } from './rows.ts';
import type { Encoded, TextTokenizer } from './tokenizer.ts';

export type TaskOptions =
  /** One class a row. */
  | { readonly kind: 'classification'; readonly classes: Classes }
  /**
   * Labels are the tokens themselves; with a label in the template, those from the label on. An end is what the template ends in:
   * `{text} It was {label}.<|endoftext|>`.
   */
  | { readonly kind: 'causal-lm' }
  /** Labels are the tokens that were masked, as BERT does it. */
  | { readonly kind: 'masked-lm'; readonly seed: bigint };

export type Example = Encoded & {
  /** A class, or one label a token; -100 where there is none. */
  readonly labels: number | readonly number[];
};

type Labelled = Encoded & { readonly labels: readonly number[] };

type Parts = {
  readonly tokenizer: TextTokenizer;
  readonly columns: Columns;
  readonly maxLength: number | undefined;
};

/** @returns a function of a row and its index. It throws ZerothError invalid-argument naming the row. */
export function exampleMaker(task: TaskOptions, parts: Parts): (row: Row, index: number) => Example {
  const { tokenizer, columns, maxLength } = parts;
  const encoded = (row: Row) => tokenizer.encode(columns.text(row), { pair: columns.pair(row), maxLength });
  switch (task.kind) {
    case 'classification':
      return (row) => {
        const labels = task.classes.indexOf({ place: row.place, value: columns.labelAt(row) });
        return { ...encoded(row), labels };
      };
    case 'causal-lm':
      return (row) => scored(row, toCausal(encoded(row), promptOf(row, parts)), 1);
    case 'masked-lm': {
      const { maskId, vocabularySize, specialIds } = tokenizer;
      if (maskId === undefined) throw invalid('tokenizer', 'a mask token, for masked-lm', 'none');
      const masking = { maskId, vocabularySize, specialIds, seed: task.seed };
      return (row, index) => {
        const whole = encoded(row);
        return scored(row, { ...whole, ...mask(whole.ids, index, masking) }, 0);
      };
    }
  }
}

function promptOf(row: Row, { tokenizer, columns }: Parts): readonly number[] {
  const prompt = columns.prompt(row);
  return prompt === undefined ? [] : tokenizer.encode(prompt).ids;
}

/** Prompt is what the row has in common with it: the last token of a prompt alone may be another within the row. */
function toCausal(whole: Encoded, prompt: readonly number[]): Labelled {
  const differs = whole.ids.findIndex((id, place) => id !== prompt[place]);
  const given = differs === -1 ? whole.ids.length : differs;
  return { ...whole, labels: whole.ids.map((id, place) => (place < given ? IGNORED : id)) };
}

/** @param from the first place whose label counts: nothing predicts the first token of a causal model. */
function scored(row: Row, example: Labelled, from: number): Labelled {
  if (example.labels.some((label, place) => place >= from && label !== IGNORED)) return example;
  const why = example.isTruncated ? ': the maximum length cut off what was to be learned' : '';
  throw invalid(row.place, 'a token to learn', `none among ${example.ids.length} tokens${why}`);
}
