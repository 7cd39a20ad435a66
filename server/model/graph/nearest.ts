// Names that somebody may have meant.

/** Longer than any name; what a client sends may be longer still. */
const LENGTH_MAX = 200;

/** At most `count` of the names, those with the fewest letters to change first. */
export function nearest(wanted: string, names: readonly string[], count: number): string[] {
  const letters = wanted.slice(0, LENGTH_MAX);
  const distances = names.map((name) => ({
    name,
    distance: editDistance(letters, name.slice(0, LENGTH_MAX)),
  }));
  // Sorting is stable: names as near as each other stay in the order they came.
  distances.sort((a, b) => a.distance - b.distance);
  return distances.slice(0, count).map(({ name }) => name);
}

/** Insertions, deletions and replacements (Levenshtein), one row of the table at a time. */
function editDistance(a: string, b: string): number {
  let previous = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const current = [i];
    for (let j = 1; j <= b.length; j++) {
      const replaced = previous[j - 1] + (a[i - 1] === b[j - 1] ? 0 : 1);
      current.push(Math.min(replaced, previous[j] + 1, current[j - 1] + 1));
    }
    previous = current;
  }
  return previous[b.length];
}
