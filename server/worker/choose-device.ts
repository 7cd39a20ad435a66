// Which device models will compute on: the one that was asked for, or the first that works. It is tried in a thread of its own,
// since opening it takes seconds, and what goes wrong there must not go wrong in the server.
import { invalid, ZerothError } from '../errors.ts';
import type { DeviceName } from '../runtime/runtime.ts';
import type { WorkerOptions } from './messages.ts';
import { ModelWorker } from './worker.ts';

/** What `auto` tries, in this order; the last one always works. */
const CANDIDATES: readonly DeviceName[] = ['cuda', 'webgpu', 'cpu'];

type Options = Omit<WorkerOptions, 'caller' | 'device'>;

export type Choice = {
  readonly device: DeviceName;
  /** What was tried before it, and why it could not be had. */
  readonly passedOver: readonly { readonly device: DeviceName; readonly error: ZerothError }[];
};

/** @throws ZerothError saying what to install where the device that was asked for cannot be had. */
export async function chooseDevice(wanted: DeviceName | 'auto', options: Options): Promise<Choice> {
  if (options.runtime === 'node') {
    if (wanted !== 'cpu' && wanted !== 'auto')
      throw invalid('device', 'cpu or auto with --runtime node, which computes on the CPU', wanted);
    return { device: 'cpu', passedOver: [] };
  }
  if (wanted !== 'auto') {
    await tryDevice(wanted, options);
    return { device: wanted, passedOver: [] };
  }
  const passedOver: { device: DeviceName; error: ZerothError }[] = [];
  for (const device of CANDIDATES) {
    try {
      await tryDevice(device, options);
      return { device, passedOver };
    } catch (error) {
      if (!(error instanceof ZerothError)) throw error;
      passedOver.push({ device, error });
    }
  }
  throw passedOver.at(-1)!.error;
}

async function tryDevice(device: DeviceName, options: Options): Promise<void> {
  if (device === 'cpu') return;
  const worker = new ModelWorker({ ...options, device }, () => undefined);
  try {
    await worker.call('tryDevice', null);
  } finally {
    await worker.close();
  }
}
