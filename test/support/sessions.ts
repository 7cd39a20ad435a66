// Sessions as the server opens them by default: over the C API, on the CPU, with one thread.
import { CApiRuntime } from '../../server/runtime/capi/capi.ts';
import type { Session, SessionOptions } from '../../server/runtime/runtime.ts';

let runtime: CApiRuntime | undefined;

export function createSession(model: Uint8Array | string, options?: SessionOptions): Promise<Session> {
  runtime ??= CApiRuntime.open({ device: 'cpu', threads: 1 });
  return runtime.createSession(model, options);
}
