// ONNX Runtime's table of functions (struct OrtApi), reached with koffi in the shared library that onnxruntime-node ships. The
// table only grows, and what a version of it holds never moves: a fixed version means fixed places
// (compared from 1.14 to 1.29; 1.30 ran on the same ones).
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import koffi, { type KoffiFunc } from 'koffi';
import { OrtError } from './ort-error.ts';

export { OrtError } from './ort-error.ts';

// biome-ignore lint/suspicious/noExplicitAny: what goes in and comes out is in the table below
type NativeFunction = KoffiFunc<(...args: any[]) => any>;

/** The version of the table that is asked for: CopyTensors came with it. */
const API_VERSION = 23;

/** An address; 0n is null. */
export type Pointer = bigint;

/** koffi calls on stacks of its own: Dawn's shader compiler overflowed 128 KiB, koffi's default where it is smallest. */
const STACK_BYTES = 8 * 2 ** 20;

/** Now, and never unloaded: a thread of Dawn's may outlive the last session, and koffi closes libraries at garbage collections. */
const RTLD_NOW_NODELETE = { linux: 0x2 | 0x1000, darwin: 0x2 | 0x80 };

const [P, SIZE, INT, TEXT] = ['void*', 'size_t', 'int', 'str'] as const;

/** By name: the place in the table and what goes in. What comes back is an OrtStatus*, null where all went well. */
const checked = {
  CreateEnv: [3, INT, TEXT, P],
  CreateSession: [7, P, TEXT, P, P],
  CreateSessionFromArray: [8, P, P, SIZE, P, P],
  CreateSessionOptions: [10, P],
  EnableProfiling: [14, P, TEXT],
  SetSessionLogSeverityLevel: [22, P, INT],
  SetIntraOpNumThreads: [24, P, INT],
  SessionGetInputCount: [30, P, P],
  SessionGetOutputCount: [31, P, P],
  SessionGetInputName: [36, P, SIZE, P, P],
  SessionGetOutputName: [37, P, SIZE, P, P],
  CreateRunOptions: [39, P],
  RunOptionsSetTerminate: [46, P],
  RunOptionsUnsetTerminate: [47, P],
  CreateTensorWithDataAsOrtValue: [49, P, P, SIZE, P, SIZE, INT, P],
  IsTensor: [50, P, P],
  GetTensorMutableData: [51, P, P],
  GetTensorElementType: [60, P, P],
  GetDimensionsCount: [61, P, P],
  GetDimensions: [62, P, P, SIZE],
  GetTensorTypeAndShape: [65, P, P],

  CreateMemoryInfo: [68, TEXT, INT, INT, INT, P],
  CreateCpuMemoryInfo: [69, INT, INT, P],
  AllocatorAlloc: [75, P, SIZE, P],
  AllocatorFree: [76, P, P],
  GetAllocatorWithDefaultOptions: [78, P],
  SessionEndProfiling: [110, P, P, P],
  AddSessionConfigEntry: [130, P, TEXT, TEXT],
  CreateAllocator: [131, P, P, P],
  RunWithBinding: [133, P, P, P],
  CreateIoBinding: [134, P, P],
  BindInput: [136, P, P, P],
  BindOutput: [137, P, P, P],
  BindOutputToDevice: [138, P, P, P],
  GetBoundOutputValues: [140, P, P, P, P],
  SessionOptionsAppendExecutionProvider_CUDA_V2: [204, P, P],
  CreateCUDAProviderOptions: [205, P],
  UpdateCUDAProviderOptions: [206, P, P, P, SIZE],
  SessionOptionsAppendExecutionProvider: [216, P, TEXT, P, P, SIZE],
  CopyTensors: [386, P, P, P, P, SIZE],
} as const;

/** What gives nothing back and cannot fail. */
const plain = {
  ReleaseStatus: [93, P],
  ReleaseMemoryInfo: [94, P],
  ReleaseSession: [95, P],
  ReleaseValue: [96, P],
  ReleaseRunOptions: [97, P],
  ReleaseTensorTypeAndShapeInfo: [99, P],
  ReleaseSessionOptions: [100, P],
  ReleaseAllocator: [132, P],
  ReleaseIoBinding: [135, P],
  ClearBoundInputs: [141, P],
  ClearBoundOutputs: [142, P],
  ReleaseCUDAProviderOptions: [208, P],
} as const;

const GET_ERROR_CODE = 1;
const GET_ERROR_MESSAGE = 2;

export type Checked = keyof typeof checked;
export type Plain = keyof typeof plain;

/** A number or a pointer, text, memory of ours, or null. */
export type Argument = Pointer | number | string | ArrayBufferView | null;

type Api = {
  readonly checked: Readonly<Record<Checked, NativeFunction>>;
  readonly plain: Readonly<Record<Plain, NativeFunction>>;
  readonly errorCode: NativeFunction;
  readonly errorMessage: NativeFunction;
  /** koffi closes a library when nobody refers to it, whatever was decoded from it. */
  readonly library: unknown;
};

let opened: Api | undefined;

/** @throws Error where the library is not there or has no table of this version. */
function api(): Api {
  opened ??= open(libraryPath());
  return opened;
}

function libraryPath(): string {
  const folder = dirname(createRequire(import.meta.url).resolve('onnxruntime-node/package.json'));
  const names: Partial<Record<NodeJS.Platform, string>> = {
    linux: 'libonnxruntime.so.1',
    darwin: 'libonnxruntime.1.dylib',
    win32: 'onnxruntime.dll',
  };
  const name = names[process.platform];
  if (name === undefined)
    throw new Error(`ONNX Runtime's C API: no library for ${process.platform}; use --runtime node`);
  return join(folder, 'bin/napi-v6', process.platform, process.arch, name);
}

function open(path: string): Api {
  koffi.config({ sync_stack_size: STACK_BYTES });
  pin(path);
  const library = koffi.load(path);
  const base = library.func('void* OrtGetApiBase()')() as Pointer;
  const [getApi, getVersion] = koffi.decode(base, P, 2) as Pointer[];
  const version = koffi.decode(getVersion, koffi.proto(TEXT, []))() as string;
  const table = koffi.decode(getApi, koffi.proto(P, ['uint32_t']))(API_VERSION) as Pointer | null;
  if (table === null) throw new Error(`ONNX Runtime ${version} has no API of version ${API_VERSION}`);
  const places = Math.max(...[...Object.values(checked), ...Object.values(plain)].map(([place]) => place));
  const entries = koffi.decode(table, P, places + 1) as Pointer[];
  const take = (place: number, result: string, args: readonly string[]) =>
    koffi.decode(entries[place], koffi.proto(result, [...args])) as NativeFunction;
  const takeAll = <Name extends string>(
    functions: Readonly<Record<Name, readonly [number, ...string[]]>>,
    result: string,
  ) =>
    Object.fromEntries(
      Object.entries<readonly [number, ...string[]]>(functions).map(([name, [place, ...args]]) => [
        name,
        take(place, result, args),
      ]),
    ) as Record<Name, NativeFunction>;
  return {
    library,
    checked: takeAll<Checked>(checked, P),
    plain: takeAll<Plain>(plain, 'void'),
    errorCode: take(GET_ERROR_CODE, INT, [P]),
    errorMessage: take(GET_ERROR_MESSAGE, TEXT, [P]),
  };
}

function pin(path: string): void {
  if (process.platform !== 'linux' && process.platform !== 'darwin') return;
  const system = koffi.load(process.platform === 'linux' ? 'libc.so.6' : 'libSystem.dylib');
  const dlopen = system.func('void* dlopen(const char*, int)');
  if (dlopen(path, RTLD_NOW_NODELETE[process.platform]) === null)
    throw new Error(`cannot load ONNX Runtime from onnxruntime-node (${path})`);
}

/** @throws OrtError */
export function call(name: Checked, ...args: readonly Argument[]): void {
  check(name, api().checked[name](...args) as Pointer | null);
}

/** Where functions write what they make: a call takes 0.1 us, memory for its result would take ten times that. */
const out = new BigUint64Array(new ArrayBuffer(8));

/** What the function writes to its last parameter, which is left out here. @throws OrtError */
export function make(name: Checked, ...args: readonly Argument[]): Pointer {
  // Some write 32 bits only.
  out[0] = 0n;
  call(name, ...args, out);
  return out[0];
}

export function release(name: Plain, pointer: Pointer): void {
  api().plain[name](pointer);
}

function check(name: Checked, status: Pointer | null): void {
  if (status === null) return;
  const { errorCode, errorMessage, plain: functions } = api();
  const error = new OrtError(name, errorCode(status) as number, errorMessage(status) as string);
  functions.ReleaseStatus(status);
  throw error;
}
