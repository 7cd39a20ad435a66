// What a row says by column.
import { invalid } from '../../server/errors.ts';
import type { Row } from './rows.ts';
import { parseTemplate } from './template.ts';

export type ColumnNames = {
  /** Default "text". */
  readonly text?: string | undefined;
  /** Of the second text of a pair. Default: there is none. */
  readonly pair?: string | undefined;
  /** Default "label". */
  readonly label?: string | undefined;
  /** Fills in for the text: names in braces are columns; `{text}`, `{pair}` and `{label}` those named here. */
  readonly template?: string | undefined;
};

export type Columns = ReturnType<typeof columnsOf>;

/** Texts and labels of rows. @throws ZerothError invalid-argument naming the row and the column. */
export function columnsOf({ text = 'text', pair, label = 'label', template: source }: ColumnNames) {
  const template = parseTemplate(source ?? '{text}');
  const named: Readonly<Record<string, string>> = { text, label, ...(pair !== undefined && { pair }) };
  const columnOf = (name: string) => (Object.hasOwn(named, name) ? named[name] : name);
  const labelName = template.names.find((name) => columnOf(name) === label);
  const prompt = labelName === undefined ? undefined : template.before(labelName);
  return {
    label,
    text: (row: Row) => template.fill((name) => textAt(row, columnOf(name))),
    /** What comes before the label; undefined where the template has no label. */
    prompt: (row: Row) => prompt?.fill((name) => textAt(row, columnOf(name))),
    pair: (row: Row) => (pair === undefined ? undefined : textAt(row, pair)),
    labelAt: (row: Row) => valueAt(row, label),
  };
}

/** Numbers and truth values count as texts. */
function textAt(row: Row, column: string): string {
  const value = valueAt(row, column);
  if (typeof value === 'object')
    throw invalid(`${row.place}: ${column}`, 'a text', Array.isArray(value) ? 'a list' : 'an object');
  return String(value);
}

function valueAt({ place, values }: Row, column: string): unknown {
  const value = values[column];
  if (value !== undefined && value !== null && value !== '') return value;
  const others = Object.keys(values);
  const got =
    value === '' ? 'an empty one' : value === null ? 'null' : `a row with ${others.join(', ') || 'nothing'}`;
  throw invalid(place, `a value for "${column}"`, got);
}
