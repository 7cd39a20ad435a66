// What benchmarks with several rows share: they are measured in turn, once, and each row reports its own.
import type { Bench } from './bench.ts';

/** @param measure Gives the samples of every row; called by the first that is asked for. */
export function benchesOf<const Name extends string>(
  rows: readonly (readonly [name: Name, unit: string])[],
  measure: () => Promise<Readonly<Record<Name, readonly number[]>>>,
): readonly Bench[] {
  let measured: Promise<Readonly<Record<Name, readonly number[]>>> | undefined;
  return rows.map(([name, unit]) => ({
    name,
    unit,
    run: async (report) => {
      measured ??= measure();
      for (const sample of (await measured)[name]) report(sample);
    },
  }));
}

/** On stderr, so that a long benchmark is seen to go on. */
export function progress(name: string, round: number, rounds: number, figures: Record<string, number>): void {
  const text = Object.entries(figures).map(([key, value]) => `${key} ${value.toPrecision(4)}`);
  const which = round < 0 ? 'warm-up' : `round ${round + 1}/${rounds}`;
  process.stderr.write(`  ${name} ${which}: ${text.join(', ')}\n`);
}
