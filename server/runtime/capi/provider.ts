// The execution providers: what a session is told to compute on, and what their memory is called.
import type { DeviceName } from '../runtime.ts';
import { call, make, type Pointer } from './api.ts';
import { Owner } from './handles.ts';
import { addressOf, cText, pointers } from './values.ts';

type Provider = {
  /** Of CreateMemoryInfo; undefined where memory is the host's. */
  readonly memoryName: string | undefined;
  append(sessionOptions: Pointer): void;
};

/**
 * None. Elementwise operators write where they read: on WebGPU that is outside of the rules, which every mode of validation that can be named
 * refuses, or skips the work of. The one that cannot, which is the default, lets them; and a self-test at the start shows that the adapter
 * does it right (weights/movers.ts). `disabled` lets them too, but hides that memory ran out: outputs are zeros then.
 */
const webgpuOptions = pairs({});

/**
 * Whole float32 products, and kernels chosen by rule: a trial may choose another one in another process, and round differently. Memory is
 * taken as it is asked for: doubling what is taken each time may leave half of it unused.
 */
const cudaOptions = pairs({
  use_tf32: '0',
  cudnn_conv_algo_search: 'HEURISTIC',
  arena_extend_strategy: 'kSameAsRequested',
});

export const providers: Readonly<Record<DeviceName, Provider>> = {
  cpu: { memoryName: undefined, append: () => undefined },
  webgpu: {
    memoryName: 'WebGPU_Buf',
    append(sessionOptions) {
      const { keys, values, size } = webgpuOptions;
      call('SessionOptionsAppendExecutionProvider', sessionOptions, 'WebGPU', keys, values, size);
    },
  },
  cuda: {
    memoryName: 'Cuda',
    append(sessionOptions) {
      const { keys, values, size } = cudaOptions;
      using owner = new Owner();
      const options = owner.own('ReleaseCUDAProviderOptions', make('CreateCUDAProviderOptions'));
      call('UpdateCUDAProviderOptions', options, keys, values, size);
      call('SessionOptionsAppendExecutionProvider_CUDA_V2', sessionOptions, options);
    },
  },
};

export function memoryInfoOf(owner: Owner, device: DeviceName): Pointer {
  const { memoryName } = providers[device];
  const info =
    memoryName === undefined
      ? make('CreateCpuMemoryInfo', 0, 0)
      : make('CreateMemoryInfo', memoryName, 0, 0, 0);
  return owner.own('ReleaseMemoryInfo', info);
}

/** For as long as the process: pointers do not keep what they point to. */
function pairs(options: Readonly<Record<string, string>>) {
  const [keys, values] = [Object.keys(options).map(cText), Object.values(options).map(cText)];
  const [keysAt, valuesAt] = [keys, values].map((texts) => pointers(texts.map(addressOf)));
  return { keys: keysAt, values: valuesAt, size: keys.length, texts: [keys, values] };
}
