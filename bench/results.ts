// What came of a benchmark: its samples in short, and all of them as a table.
import Table from 'cli-table3';
import type { Bench } from './bench.ts';

export type Result = {
  readonly name: string;
  /** The median. */
  readonly value: number;
  readonly unit: string;
  readonly median: number;
  readonly minimum: number;
  readonly maximum: number;
  readonly samples: number;
};

export async function measure({ name, unit, run }: Bench): Promise<Result> {
  const samples: number[] = [];
  await run((sample) => samples.push(sample));
  samples.sort((a, b) => a - b);
  const median = middle(samples);
  const [minimum, maximum] = [samples[0], samples[samples.length - 1]];
  return { name, value: median, unit, median, minimum, maximum, samples: samples.length };
}

function middle(sorted: readonly number[]): number {
  const half = sorted.length / 2;
  return (sorted[Math.ceil(half) - 1] + sorted[Math.floor(half)]) / 2;
}

export function table(results: readonly Result[]): string {
  const head = ['name', 'median', 'minimum', 'maximum', 'unit', 'samples'];
  const plain = process.stdout.isTTY && !process.env.NO_COLOR ? {} : { style: { head: [], border: [] } };
  const rows = new Table({ head, ...plain });
  for (const { name, median, minimum, maximum, unit, samples } of results)
    rows.push([name, ...[median, minimum, maximum].map((value) => value.toPrecision(4)), unit, samples]);
  return rows.toString();
}
