// What NVIDIA's driver says of its cards; nothing where there are none.
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

const MiB = 2 ** 20;

/**
 * Bytes in use on all cards, by whoever: processes are not told apart, since in a container their numbers are the host's.
 * @returns undefined without nvidia-smi.
 */
export async function usedBytes(): Promise<number | undefined> {
  const lines = await query('memory.used');
  return lines?.reduce((sum, line) => sum + Number(line) * MiB, 0);
}

/** A line a card: its name, memory and driver. */
export async function cards(): Promise<readonly string[]> {
  return (await query('name,memory.total,driver_version')) ?? [];
}

async function query(columns: string): Promise<string[] | undefined> {
  try {
    const args = [`--query-gpu=${columns}`, '--format=csv,noheader,nounits'];
    const { stdout } = await promisify(execFile)('nvidia-smi', args);
    return stdout.trim().split('\n');
  } catch {
    return undefined;
  }
}
