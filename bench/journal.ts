// What it costs to write an update down: one entry, durable before it is answered.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openJournal } from '../server/journal/sqlite.ts';
import type { Bench } from './bench.ts';

const SAMPLES = 9;
const APPENDS = 200;

const record = {
  name: 'runs/bench',
  model: 'models/bench',
  modelSha256: '0'.repeat(64),
  trainable: ['weight'],
  table: 'gaussian',
  objective: { name: 'cross_entropy', output: '', labels: 'labels' },
  baseSha256: '0'.repeat(64),
  createTimeMs: 0,
  forkedFrom: '',
  forkedRevision: 0,
} as const;

/** `full` waits for the disk at every append, `normal` for the file system's memory. */
export const journalBenches: readonly Bench[] = (['full', 'normal'] as const).map((sync) => ({
  name: `journal.append.${sync}`,
  unit: 'us',
  run: (report) => appends(sync, report),
}));

async function appends(sync: 'full' | 'normal', report: (sample: number) => void): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'zeroth-bench-'));
  const journal = openJournal(join(folder, 'journal.sqlite'), { sync });
  journal.createRun(record);
  const contentHash = new Uint8Array(32);
  for (let sample = -1; sample < SAMPLES; sample++) {
    const start = performance.now();
    for (let i = 0; i < APPENDS; i++) {
      const shifts = [{ seed: BigInt(i), scale: 1e-3 }];
      const requestId = `bench/${sample}/${i}`;
      journal.append(record.name, { change: { kind: 'shifts', shifts }, requestId, contentHash, timeMs: 0 });
    }
    if (sample >= 0) report((1000 * (performance.now() - start)) / APPENDS);
  }
  journal.close();
  await rm(folder, { recursive: true, force: true });
}
