// Rows to the tensors that a dataset is made of.
import type { Tensor } from '../../proto/gen/zeroth/v1/common.ts';
import { invalid } from '../../server/errors.ts';
import { toTensor } from '../tensor.ts';
import { type ColumnNames, columnsOf } from './columns.ts';
import type { Row } from './rows.ts';
import { type Example, exampleMaker, type TaskOptions } from './tasks.ts';
import type { TextTokenizer } from './tokenizer.ts';

export type TextOptions = {
  readonly tokenizer: TextTokenizer;
  readonly task: TaskOptions;
  readonly columns?: ColumnNames;
  /** Longer rows are cut to so many tokens, special ones included. Default: none is cut. */
  readonly maxLength?: number | undefined;
  /** 'longest' of these rows, or 'max-length', which then has to be given. Default 'longest'. */
  readonly padding?: 'longest' | 'max-length';
  /** What the model can take; default: what the tokenizer says of its positions, and anything. */
  readonly model?: { readonly positions?: number | undefined; readonly vocabularySize?: number | undefined };
  /** Whether the model tells a pair's texts apart: makes token_type_ids. Default false. */
  readonly hasTypeIds?: boolean;
};

export type TokenTable = {
  /** input_ids, attention_mask, labels and, where asked for, token_type_ids: int64, [rows, length]; labels of classes [rows]. */
  readonly tensors: Readonly<Record<string, Tensor>>;
  readonly rows: number;
  readonly length: number;
  /** Rows that were cut. */
  readonly truncated: number;
};

/**
 * Padding is on the right, with the tokenizer's own token and a mask of 0.
 * @throws ZerothError invalid-argument naming the row: without a text or label, with more tokens than the model has
 * positions, or with one that the model has no embedding for.
 */
export function tokenizeRows(rows: readonly Row[], options: TextOptions): TokenTable {
  const { tokenizer, task, maxLength, padding = 'longest', model = {}, hasTypeIds = false } = options;
  const positions = model.positions ?? tokenizer.lengthMax;
  if (maxLength !== undefined && positions !== undefined && maxLength > positions)
    throw invalid('maxLength', `at most the model's ${positions} positions`, `${maxLength}`);
  const make = exampleMaker(task, { tokenizer, columns: columnsOf(options.columns ?? {}), maxLength });
  const examples = rows.map((row, i) => {
    const example = make(row, i);
    checkLength(row, example, positions);
    checkVocabulary(row, example, tokenizer, model.vocabularySize);
    return example;
  });
  if (padding === 'max-length' && maxLength === undefined)
    throw invalid('maxLength', 'a length to pad to', 'none');
  const longest = examples.reduce((most, { ids }) => Math.max(most, ids.length), 0);
  const length = padding === 'max-length' ? maxLength! : longest;
  return {
    tensors: toTensors(examples, { length, padId: tokenizer.padId, hasTypeIds }),
    rows: examples.length,
    length,
    truncated: examples.filter(({ isTruncated }) => isTruncated).length,
  };
}

function checkLength({ place }: Row, { ids }: Example, positions: number | undefined): void {
  if (positions !== undefined && ids.length > positions)
    throw invalid(
      place,
      `at most the model's ${positions} positions, or a maximum length to cut to`,
      `${ids.length} tokens`,
    );
}

function checkVocabulary(
  { place }: Row,
  { ids }: Example,
  { tokenOf }: TextTokenizer,
  size: number | undefined,
): void {
  const beyond = size === undefined ? undefined : ids.find((id) => id >= size);
  if (beyond !== undefined)
    throw invalid(
      place,
      `tokens of a vocabulary of ${size}, as the model has embeddings`,
      `token ${beyond}, ${JSON.stringify(tokenOf(beyond))}: this tokenizer is another model's`,
    );
}

type Shape = { readonly length: number; readonly padId: number; readonly hasTypeIds: boolean };

function toTensors(
  examples: readonly Example[],
  { length, padId, hasTypeIds }: Shape,
): Record<string, Tensor> {
  const padded = (valuesOf: (example: Example) => readonly number[], fill: number) => {
    const values = new BigInt64Array(examples.length * length).fill(BigInt(fill));
    for (const [row, example] of examples.entries())
      for (const [place, value] of valuesOf(example).entries()) values[row * length + place] = BigInt(value);
    return toTensor(values, [examples.length, length]);
  };
  const classes = examples.flatMap(({ labels }) => (typeof labels === 'number' ? [BigInt(labels)] : []));
  return {
    input_ids: padded(({ ids }) => ids, padId),
    attention_mask: padded(({ ids }) => ids.map(() => 1), 0),
    ...(hasTypeIds && { token_type_ids: padded(({ typeIds }) => typeIds, 0) }),
    labels:
      classes.length > 0
        ? toTensor(BigInt64Array.from(classes), [classes.length])
        : padded(({ labels }) => (typeof labels === 'number' ? [] : labels), -100),
  };
}
