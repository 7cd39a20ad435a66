// What the sessions, programs and buffers of one thread share.

import type { Caller } from '../caller.ts';
import type { DeviceName } from '../runtime.ts';
import { call, make, type Pointer } from './api.ts';
import { built, type Owner } from './handles.ts';
import type { DeviceLock } from './lock.ts';
import { memoryInfoOf, providers } from './provider.ts';

export type Context = {
  readonly device: DeviceName;
  /** Whether values live on a device, or on the host as if it were one. */
  readonly hasMemory: boolean;
  readonly hostInfo: Pointer;
  readonly deviceInfo: Pointer;
  /** Of ONNX Runtime itself, for names and lists. */
  readonly allocator: Pointer;
  readonly lock: DeviceLock;
  readonly caller: Caller;
  /** Of all forward passes of this thread: one at a time is under way. */
  readonly runOptions: Pointer;
  readonly threads: number;
  readonly spinning: boolean;
};

/** Errors come back as statuses; ONNX Runtime would also write them to stderr. */
const LOG_FATAL_ONLY = 4;

/**
 * One for the process, made by whoever comes first and never given back: providers hang their devices on it, and some cannot be made
 * a second time.
 */
let environment: Pointer | undefined;

export function environmentOfProcess(): Pointer {
  environment ??= make('CreateEnv', LOG_FATAL_ONLY, 'zeroth');
  return environment;
}

export function openContext(
  owner: Owner,
  options: Omit<Context, 'hostInfo' | 'deviceInfo' | 'allocator'>,
): Context {
  environmentOfProcess();
  return {
    ...options,
    hostInfo: memoryInfoOf(owner, 'cpu'),
    deviceInfo: memoryInfoOf(owner, options.device),
    allocator: make('GetAllocatorWithDefaultOptions'),
  };
}

const EXTERNAL_FOLDER = 'session.model_external_initializers_file_folder_path';

export type OpenSession = {
  /** Where the profile of its runs begins with its name; none is written without. */
  readonly profile?: string | undefined;
  /** Where the files are that tensors of a model in memory refer to. */
  readonly folder?: string | undefined;
  /** Whether it is an error where the host would have to compute a node, whatever it is. */
  readonly isStrict?: boolean;
};

/** @returns the pointer of a session, which is the owner's. @throws OrtError */
export function openSession(
  owner: Owner,
  context: Context,
  model: Uint8Array | string,
  { profile, folder, isStrict = false }: OpenSession = {},
): Pointer {
  return built((own) => {
    const options = own.own('ReleaseSessionOptions', make('CreateSessionOptions'));
    call('SetSessionLogSeverityLevel', options, LOG_FATAL_ONLY);
    call('SetIntraOpNumThreads', options, context.threads);
    const spins = context.spinning ? '1' : '0';
    call('AddSessionConfigEntry', options, 'session.intra_op.allow_spinning', spins);
    // Within a run; between two runs the threads rest.
    call('AddSessionConfigEntry', options, 'session.force_spinning_stop', spins);
    if (profile !== undefined) call('EnableProfiling', options, profile);
    if (folder !== undefined) call('AddSessionConfigEntry', options, EXTERNAL_FOLDER, folder);
    if (isStrict && context.device !== 'cpu')
      call('AddSessionConfigEntry', options, 'session.disable_cpu_ep_fallback', '1');
    providers[context.device].append(options);
    const session = context.lock.hold(() =>
      typeof model === 'string'
        ? make('CreateSession', environmentOfProcess(), model, options)
        : make('CreateSessionFromArray', environmentOfProcess(), model, model.byteLength, options),
    );
    own[Symbol.dispose]();
    return owner.own('ReleaseSession', session);
  });
}
