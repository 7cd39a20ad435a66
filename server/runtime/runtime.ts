// What the other rooms know of ONNX Runtime: sessions and values, run on tensors of ours, and memory on a device.
import type { DataType, Tensor } from '../tensor.ts';
import type { Caller } from './caller.ts';

/** Where models compute; `cpu` has no memory of its own. */
export const deviceNames = ['cpu', 'webgpu', 'cuda'] as const;

export type DeviceName = (typeof deviceNames)[number];

/** Bytes on a device under a description; several may describe one buffer. Valid as long as that is. */
export type DeviceTensor = {
  readonly dataType: DataType;
  readonly shape: readonly number[];
  /** The runtime's own name of it. */
  readonly handle: bigint;
};

/**
 * Weights where they lie: the runtime reads them at every run, without a copy, so that a weight moved between two runs is
 * seen by the second. Host memory must not grow: that would detach the view.
 */
export type BoundWeight = {
  readonly name: string;
  readonly shape: readonly number[];
  readonly value: Float32Array | DeviceTensor;
};

export type Feeds = Readonly<Record<string, Tensor>>;

/** Something that runs forward, one call at a time. */
export interface Forward {
  /**
   * @param outputs Names of the outputs to bring back; the others stay where they were computed.
   * @throws ZerothError invalid-argument where the model cannot run on these tensors; cancelled where the caller has gone.
   */
  run(feeds: Feeds, outputs: readonly string[]): Promise<Record<string, Tensor>>;
  /**
   * The same, and hands the outputs `kept` to `use` where they lie, which holds until it returns: they never cross to the host.
   * There where sessions have a device of their own.
   */
  runWith?<T>(
    feeds: Feeds,
    outputs: readonly string[],
    kept: readonly string[],
    use: (outputs: Record<string, Tensor>, kept: Record<string, DeviceTensor>) => T,
  ): Promise<T>;
}

/** To be disposed of before the weights that it reads. */
export type BoundForward = Forward & Disposable;

export interface Session extends Forward {
  /** Names of the inputs that a run has to bring, promoted weights among them. */
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  /** The same session with these inputs fixed: its runs bring the others only. */
  bind(weights: readonly BoundWeight[]): BoundForward;
  /**
   * Nodes that the runs so far computed on the host although the session is of another device, by their operators; of a session
   * that was created with `isProfiled`. Arithmetic on shapes belongs there and is not listed.
   */
  fallbacks?(): readonly string[];
  /** Once; no run may follow. */
  release(): Promise<void>;
}

export type SessionOptions = {
  /** The request field that names the model, for error messages. */
  readonly field?: string;
  /** Of a model that is given as bytes: where the files are that its tensors refer to. */
  readonly folder?: string | undefined;
  /** Whether to note where nodes are computed, until it is asked for. */
  readonly isProfiled?: boolean;
};

/** A small graph on the device: what moves weights, and what makes losses of outputs. All calls block until the device has taken them. */
export interface Program extends Disposable {
  /** Runs once. @returns its output, on the host. */
  call(inputs: Readonly<Record<string, DeviceTensor | Tensor>>, output: string): Tensor;
  /** For many runs, with inputs and outputs that stay where they are. */
  bind(
    inputs: Readonly<Record<string, DeviceTensor>>,
    outputs: Readonly<Record<string, DeviceTensor>>,
  ): Binding;
}

export interface Binding extends Disposable {
  /** Another value for an input; a tensor of ours is copied to the device, if the device wants it there. */
  set(input: string, value: DeviceTensor | Tensor): void;
  run(): void;
}

/** Memory of a device; there where sessions read it without a copy. */
export interface DeviceMemory {
  /**
   * Filled with anything.
   * @throws ZerothError exhausted, saying what for and how much, where it is not to be had.
   */
  allocate(bytes: number, what: string): DeviceBuffer;
  upload(copies: readonly { readonly from: ArrayBufferView; readonly to: DeviceTensor }[]): void;
  /** Waits for everything before it. */
  download(from: DeviceTensor, into: ArrayBufferView): void;
  /** From one value on the device to another of the same type and shape. */
  copy(from: DeviceTensor, to: DeviceTensor): void;
  /** @param options.isStrict Whether it is an error where the host would have to compute a node. Default true. */
  program(model: Uint8Array, options?: { readonly isStrict: boolean }): Program;
  /**
   * CUDA C++ of our own; undefined where the device takes none.
   * @throws Error where it cannot be compiled here.
   */
  kernels?(source: string): Kernels | undefined;
}

/** An address on the device or a whole number, of 64 bits. */
export type KernelArgument = bigint | number;

export interface Kernels extends Disposable {
  /** Begins a kernel on about so many threads, which find their parts of the work by themselves, behind those that were begun before. */
  launch(name: string, threads: number, args: readonly KernelArgument[]): void;
  /** Until all of them are done, as they have to be before a session runs. */
  wait(): void;
}

export interface DeviceBuffer extends Disposable {
  readonly bytes: number;
  /** Where it lies on the device, for kernels. */
  readonly address: bigint;
  /** A description of its first bytes; disposed of with the buffer. */
  tensor(dataType: DataType, shape: readonly number[]): DeviceTensor;
}

/** One thread's way to ONNX Runtime. */
export interface Runtime {
  readonly device: DeviceName;
  /** Undefined where sessions read the memory of the host. */
  readonly memory: DeviceMemory | undefined;
  /**
   * @param model An ONNX file, or its path: then it is never in our memory.
   * @throws ZerothError invalid-argument naming `options.field` where the runtime refuses the model.
   */
  createSession(model: Uint8Array | string, options?: SessionOptions): Promise<Session>;
  /** For small graphs that take what sessions leave where it lies; not of every runtime. */
  program?(model: Uint8Array, options?: { readonly isStrict: boolean }): Program;
  /** After its sessions, programs and buffers. */
  close(): void;
}

export type RuntimeOptions = {
  /** Threads within one operator; 0 is one a core. */
  readonly threads: number;
  /**
   * Whether threads that wait within a run keep their core busy, to be there sooner: forward passes of an encoder are 4 to 7 %
   * faster with it (bench: step). Where several models share the cores it hurts: two sessions of two threads on two cores took
   * 20-45 % more processor time with it, and were slower.
   */
  readonly spinning?: boolean;
  /** Whose work is in progress: runs end early when he goes, where they can. */
  readonly caller?: Caller;
};
