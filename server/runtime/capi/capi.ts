// ONNX Runtime over its C API: runs that can be ended early, weights that are bound once, and weights on a device.

import { Caller } from '../caller.ts';
import { CudaDriver } from '../cuda/driver.ts';
import { sessionError } from '../errors.ts';
import type {
  DeviceMemory,
  DeviceName,
  Program,
  Runtime,
  RuntimeOptions,
  Session,
  SessionOptions,
} from '../runtime.ts';
import { make } from './api.ts';
import { type Context, openContext, openSession } from './context.ts';
import { built, type Owner } from './handles.ts';
import { DeviceLock } from './lock.ts';
import { CApiMemory } from './memory.ts';
import { profilePath } from './placement.ts';
import { openProgram } from './program.ts';
import { CApiSession } from './session.ts';

export type CApiOptions = RuntimeOptions & {
  readonly device: DeviceName;
  /** For the device, of all threads together. */
  readonly lock?: DeviceLock;
  /** Whether the host counts as a device: weights are values that are bound and moved by graphs, as on any other. Default: where it is another. */
  readonly hasMemory?: boolean;
};

export class CApiRuntime implements Runtime {
  readonly device: DeviceName;
  readonly memory: DeviceMemory | undefined;
  readonly #owner: Owner;
  readonly #context: Context;

  private constructor(owner: Owner, context: Context) {
    this.device = context.device;
    this.#owner = owner;
    this.#context = context;
    const driver = context.device === 'cuda' ? new CudaDriver() : undefined;
    this.memory = context.hasMemory ? new CApiMemory(context, owner, driver) : undefined;
  }

  /** @throws Error where the library, the provider or an adapter for it is missing. */
  static open(options: CApiOptions): CApiRuntime {
    const {
      device,
      threads,
      spinning = false,
      caller = new Caller(),
      hasMemory = device !== 'cpu',
    } = options;
    // Host sessions of different threads need not wait for each other.
    const lock = (hasMemory ? options.lock : undefined) ?? new DeviceLock(1);
    return built((owner) => {
      const runOptions = owner.own('ReleaseRunOptions', make('CreateRunOptions'));
      caller.setRunOptions(runOptions);
      owner.defer(() => caller.setRunOptions(0n));
      const context = openContext(owner, { device, hasMemory, lock, caller, runOptions, threads, spinning });
      return new CApiRuntime(owner, context);
    });
  }

  async createSession(model: Uint8Array | string, options: SessionOptions = {}): Promise<Session> {
    const { field = 'path', isProfiled = false, folder } = options;
    try {
      return built((owner) => {
        const profile = isProfiled ? profilePath(owner) : undefined;
        const session = openSession(owner, this.#context, model, { profile, folder });
        return new CApiSession(this.#context, owner, session);
      });
    } catch (error) {
      throw sessionError(error, field);
    }
  }

  program(model: Uint8Array, options?: { readonly isStrict: boolean }): Program {
    return openProgram(this.#context, model, options);
  }

  close(): void {
    this.#context.lock.hold(() => this.#owner[Symbol.dispose]());
  }
}
