// The most memory that a process had: on the device where nvidia-smi tells, else what was resident.
import { setTimeout as sleep } from 'node:timers/promises';
import type { DeviceName } from '../../server/runtime/runtime.ts';
import { peakBytes } from '../memory.ts';
import { usedBytes } from './nvidia.ts';

const POLL_MS = 100;
/** A driver takes its time to give back what a process had that has ended. */
const SETTLE_MS = 1000;

/** Where figures of memory come from. */
export type MemorySource = 'nvidia-smi' | 'resident';

export async function memorySource(device: DeviceName): Promise<MemorySource> {
  return device !== 'cpu' && (await usedBytes()) !== undefined ? 'nvidia-smi' : 'resident';
}

/** Of one process that is started while it is watched. */
export class Peak implements Disposable {
  readonly #source: MemorySource;
  readonly #before: number;
  #largest = 0;
  #isOver = false;

  private constructor(source: MemorySource, before: number) {
    this.#source = source;
    this.#before = before;
  }

  static async watch(source: MemorySource): Promise<Peak> {
    await sleep(SETTLE_MS);
    const peak = new Peak(source, source === 'nvidia-smi' ? await used() : 0);
    if (source === 'nvidia-smi') void peak.#poll();
    return peak;
  }

  async bytes(pid: number): Promise<number> {
    if (this.#source === 'resident') return peakBytes(pid);
    await this.#look();
    return this.#largest - this.#before;
  }

  [Symbol.dispose](): void {
    this.#isOver = true;
  }

  async #poll(): Promise<void> {
    for (; !this.#isOver; await sleep(POLL_MS)) await this.#look();
  }

  async #look(): Promise<void> {
    this.#largest = Math.max(this.#largest, await used());
  }
}

/** A query that fails once has no part in a maximum. */
async function used(): Promise<number> {
  return (await usedBytes()) ?? 0;
}
