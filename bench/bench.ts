// What a benchmark is; bench/main.ts runs them and prints the table.

export type Bench = {
  /** Stays the same for good: figures of different versions are compared by it. */
  readonly name: string;
  readonly unit: string;
  /** Calls `report` once a sample. */
  run(report: (sample: number) => void): Promise<void>;
};
