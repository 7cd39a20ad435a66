// What has been measured: a line a training.
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import type { Measured } from './course.ts';

export const MEASURED = fileURLToPath(new URL('measured.jsonl', import.meta.url));

export type Measurement = Measured & {
  /** Of a setting. */
  readonly name: string;
  readonly seed: number;
  /** Where it was trained: behind the encoder, or on its states, kept once. */
  readonly of: 'encoder' | 'states';
  /** Of the server process, by VmHWM. */
  readonly peakMiB?: number;
  /** Mean number of processes at work or waiting in the five minutes before the end. */
  readonly load?: number;
};

export async function readMeasured(): Promise<readonly Measurement[]> {
  const lines = (await readFile(MEASURED, 'utf8')).trim().split('\n');
  return lines.map((line) => JSON.parse(line) as Measurement);
}
