// What a model's thread computes with: a way to ONNX Runtime, and what moves weights where they lie.
import { threadId } from 'node:worker_threads';
import { LossPrograms } from '../model/forward/score.ts';
import type { TableKind } from '../noise/table.ts';
import { Caller } from '../runtime/caller.ts';
import { openRuntime } from '../runtime/open.ts';
import type { DeviceName, Runtime } from '../runtime/runtime.ts';
import { CREW_WEIGHTS_MIN, Crew } from '../weights/crew.ts';
import { DeviceWeights } from '../weights/device.ts';
import type { DeviceMovers } from '../weights/device-tensors.ts';
import { HostWeights } from '../weights/host.ts';
import { openMovers } from '../weights/self-test.ts';
import type { WeightSpec, Weights } from '../weights/weights.ts';
import type { WorkerOptions } from './messages.ts';

export class Compute {
  readonly runtime: Runtime;
  readonly lossPrograms: LossPrograms;
  /** Moves use as many cores as forward passes may, up to two. */
  readonly #crew: Crew | undefined;
  readonly #movers = new Map<TableKind, DeviceMovers>();
  #slowness: string | undefined;

  /** @throws ZerothError unimplemented, saying what to install, where the device cannot be had. */
  constructor(options: WorkerOptions) {
    const { queue, caller, threads } = options;
    this.runtime = openRuntime({
      ...options,
      caller: new Caller(caller),
      queue: { shared: queue, thread: threadId },
    });
    this.lossPrograms = new LossPrograms(this.runtime);
    this.#crew = threads > 1 && this.runtime.memory === undefined ? new Crew() : undefined;
  }

  get device(): DeviceName {
    return this.runtime.device;
  }

  /** Why weights move by graphs on a device that takes kernels; undefined where they do not, or nothing has moved yet. */
  get slowness(): string | undefined {
    return this.#slowness;
  }

  /** Whether the device, if it has memory of its own, moves weights rightly. @throws ZerothError where it does not. */
  check(): void {
    if (this.runtime.memory !== undefined) this.#moversOf('gaussian');
  }

  /** @throws ZerothError exhausted where there is no memory for them. */
  openWeights(specs: readonly WeightSpec[], table: TableKind): Weights {
    if (this.runtime.memory !== undefined) return new DeviceWeights(specs, this.#moversOf(table));
    const crew = this.#crew && { threads: this.#crew, weightsMin: CREW_WEIGHTS_MIN };
    return new HostWeights(specs, table, { crew });
  }

  async close(): Promise<void> {
    this.lossPrograms[Symbol.dispose]();
    for (const movers of this.#movers.values()) movers[Symbol.dispose]();
    await this.#crew?.close();
    this.runtime.close();
  }

  #moversOf(table: TableKind): DeviceMovers {
    const { memory, device } = this.runtime;
    if (memory === undefined) throw new Error('weights on the host are moved by the kernel');
    const onSlow = (reason: string) => {
      this.#slowness = reason;
    };
    const movers = this.#movers.get(table) ?? openMovers(memory, table, device, onSlow);
    this.#movers.set(table, movers);
    return movers;
  }
}
