/** What the processes of a test minimize: whoever evaluates the same point finds the same. */
export function ellipsoid(x: readonly number[]): number {
  return x.reduce((sum, each, i) => sum + 10 ** i * each * each, 0);
}
