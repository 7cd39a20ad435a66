// The one place that knows which ways to ONNX Runtime there are.
import { invalid, ZerothError } from '../errors.ts';
import { CApiRuntime } from './capi/capi.ts';
import { DeviceLock } from './capi/lock.ts';
import { shorten } from './errors.ts';
import { NodeRuntime } from './node.ts';
import type { DeviceName, Runtime, RuntimeOptions } from './runtime.ts';

/** The C API, or onnxruntime-node's own binding. */
export type RuntimeName = 'capi' | 'node';

export type OpenOptions = RuntimeOptions & {
  readonly runtime: RuntimeName;
  readonly device: DeviceName;
  /** The queue for the device, which all threads of the process share; and another number for each of them. */
  readonly queue?: { readonly shared: SharedArrayBuffer; readonly thread: number };
};

/** @throws ZerothError unimplemented, saying what to install, where the device cannot be had. */
export function openRuntime({ runtime, device, queue, ...options }: OpenOptions): Runtime {
  if (runtime === 'capi') {
    const lock = queue && new DeviceLock(queue.thread, queue.shared);
    try {
      return CApiRuntime.open({ ...options, device, ...(lock && { lock }) });
    } catch (error) {
      throw missing(device, error);
    }
  }
  if (device !== 'cpu') throw invalid('device', 'cpu with --runtime node, or --runtime capi', device);
  return new NodeRuntime(options);
}

/** A thread that ended while the device was its own cannot hand it on. */
export function releaseQueue(shared: SharedArrayBuffer, thread: number): void {
  new DeviceLock(thread, shared).releaseFrom(thread);
}

const remedies: Readonly<Record<DeviceName, string>> = {
  cpu: '--runtime node does without the C API',
  webgpu:
    'it takes a graphics driver and, on Linux, libvulkan1; without a GPU SwiftShader will do ' +
    "(Debian's chromium has it: VK_ICD_FILENAMES=/usr/lib/chromium/vk_swiftshader_icd.json)",
  cuda: 'it takes an NVIDIA driver and what `npm run install:cuda` fetches; `npm run install:cuda -- --check` says what is missing (docs/gpu.md)',
};

function missing(device: DeviceName, cause: unknown): ZerothError {
  const message = `device: ${device} cannot be had: ${shorten(cause)}; ${remedies[device]}`;
  return new ZerothError('unimplemented', message, { reason: 'DEVICE_UNAVAILABLE' }, cause);
}
