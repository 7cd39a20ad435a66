// What the coordinates of a box are cut into: in each cell they mean the same value.

export type Cells =
  /** Every number means a value of its own. */
  | { readonly kind: 'whole' }
  /** So many, all equally wide. */
  | { readonly kind: 'even'; readonly count: number }
  /** Of the integers from min to max, on a logarithmic scale. */
  | { readonly kind: 'log'; readonly min: number; readonly max: number }
  /** One of `count` coordinates, from `first` on, the highest of which wins. */
  | { readonly kind: 'choice'; readonly first: number; readonly count: number };

/** The ends of the cell that u is in. @param u in [0, 1]. */
export function cellOf(cells: Extract<Cells, { kind: 'even' | 'log' }>, u: number): [number, number] {
  if (cells.kind === 'even') {
    const { count } = cells;
    const i = indexOf(count, u);
    return [i / count, (i + 1) / count];
  }
  const { min, max } = cells;
  const [low, high] = [Math.log(min - 0.5), Math.log(max + 0.5)];
  const value = logInteger(min, max, u);
  const place = (x: number) => Math.min(1, Math.max(0, (Math.log(x) - low) / (high - low)));
  return [place(value - 0.5), place(value + 0.5)];
}

/** Which of `count` equally wide cells u is in. */
export function indexOf(count: number, u: number): number {
  return Math.min(count - 1, Math.floor(u * count));
}

/** The integer that u means on a logarithmic scale. */
export function logInteger(min: number, max: number, u: number): number {
  const x = Math.exp((1 - u) * Math.log(min - 0.5) + u * Math.log(max + 0.5));
  return Math.min(max, Math.max(min, Math.round(x)));
}
