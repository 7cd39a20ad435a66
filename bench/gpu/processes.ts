// Both sides of a ratio: a plain session of the frozen model, and a server that trains it, each a process of its own.
import { fileURLToPath } from 'node:url';
import { PlainSession } from '../plain.ts';
import { type BenchFolder, BenchServer, benchFolder } from '../server.ts';
import type { GpuOptions } from './options.ts';

const PROCESS = fileURLToPath(new URL('./forward-process.ts', import.meta.url));

export function modelFolder({ layers, hidden }: GpuOptions): Promise<BenchFolder> {
  return benchFolder({ layers, hidden });
}

export function startSession(
  folder: BenchFolder,
  { device, batch, sequence }: GpuOptions,
): Promise<PlainSession> {
  return PlainSession.start(folder, { path: PROCESS, args: [device, batch, sequence] });
}

/** A batch is one forward pass there, as in the plain session. */
export function startServer(
  folder: BenchFolder,
  { device, batch, sequence }: GpuOptions,
  flags: readonly string[] = [],
): Promise<BenchServer> {
  const rows = ['--rows-per-micro-batch-max', String(batch)];
  const tokens = ['--tokens-per-micro-batch-max', String(batch * sequence)];
  return BenchServer.start(folder, ['--device', device, ...rows, ...tokens, ...flags]);
}
