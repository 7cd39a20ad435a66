// Labels of classes to their indices.
import { invalid } from '../../server/errors.ts';

export type Label = { readonly place: string; readonly value: unknown };

export type Classes = {
  /** Class i is called names[i]; undefined where labels are indices themselves. */
  readonly names: readonly string[] | undefined;
  /** Of the names, or one more than the largest index. */
  readonly count: number;
  /** @throws ZerothError invalid-argument naming the row. */
  indexOf(label: Label): number;
};

/**
 * Where every label is an integer that is not negative, labels are indices. Otherwise they are names, and
 * class 0 is the first of them as they sort (by code unit), whatever the order of rows.
 * @param names the model's own, where it has any: they give the order.
 * @param count of the model's classes, where it is known.
 */
export function classesOf(
  labels: readonly Label[],
  {
    names,
    count,
  }: { readonly names?: readonly string[] | undefined; readonly count?: number | undefined } = {},
): Classes {
  if (labels.every(({ value }) => isIndex(value)))
    return {
      names: undefined,
      count: labels.reduce((most, { value }) => Math.max(most, Number(value) + 1), 0),
      indexOf: (label) => checkIndex(label, count),
    };
  const seen = [...new Set(labels.map(({ value }) => String(value)))].sort();
  const order = names !== undefined && seen.every((name) => names.includes(name)) ? names : seen;
  if (count !== undefined && order.length > count)
    throw invalid('labels', `at most the model's ${count} classes`, `${order.length}: ${shown(order)}`);
  return {
    names: order,
    count: order.length,
    indexOf({ place, value }) {
      const index = order.indexOf(String(value));
      if (index === -1) throw invalid(place, `a label among ${shown(order)}`, JSON.stringify(String(value)));
      return index;
    },
  };
}

function isIndex(value: unknown): boolean {
  return /^\d+$/.test(String(value)) && Number.isSafeInteger(Number(value));
}

function checkIndex({ place, value }: Label, count: number | undefined): number {
  const index = Number(value);
  if (!isIndex(value) || (count !== undefined && index >= count))
    throw invalid(
      place,
      count === undefined ? 'a class index' : `a class from 0 to ${count - 1}`,
      String(value),
    );
  return index;
}

function shown(names: readonly string[]): string {
  return names.length > 10 ? `${names.slice(0, 10).join(', ')}, ...` : names.join(', ');
}
