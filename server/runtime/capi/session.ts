// Sessions over the C API: weights are bound once, a run binds the rest.
import koffi from 'koffi';
import { invalid, ZerothError } from '../../errors.ts';
import type { Tensor } from '../../tensor.ts';
import { checkOutputs, missingInput, runError } from '../errors.ts';
import type { BoundForward, BoundWeight, DeviceTensor, Feeds, Session } from '../runtime.ts';
import { call, make, type Pointer, release } from './api.ts';
import type { Context } from './context.ts';
import { built, Owner } from './handles.ts';
import { fallbacksIn } from './placement.ts';
import { boundOutputs, cText, describeValue, overHost, toTensor } from './values.ts';

export class CApiSession implements Session {
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly #context: Context;
  readonly #owner: Owner;
  readonly #session: Pointer;
  readonly #unbound: BoundForward;

  constructor(context: Context, owner: Owner, session: Pointer) {
    this.#context = context;
    this.#owner = owner;
    this.#session = session;
    this.inputs = names(context, session, 'Input');
    this.outputs = names(context, session, 'Output');
    this.#unbound = this.bind([]);
    owner.defer(() => this.#unbound[Symbol.dispose]());
  }

  run(feeds: Feeds, outputs: readonly string[]): Promise<Record<string, Tensor>> {
    return this.#unbound.run(feeds, outputs);
  }

  bind(weights: readonly BoundWeight[]): BoundForward {
    if (this.#owner.isDisposed) throw runError(new Error('Session already disposed.'));
    return built((owner) => new CApiForward(this.#context, owner, this.#session, this, weights));
  }

  fallbacks(): readonly string[] {
    const { allocator, device } = this.#context;
    const path = make('SessionEndProfiling', this.#session, allocator);
    return device === 'cpu' ? [] : fallbacksIn(takeText(allocator, path));
  }

  async release(): Promise<void> {
    this.#context.lock.hold(() => this.#owner[Symbol.dispose]());
  }
}

type Names = { readonly inputs: readonly string[]; readonly outputs: readonly string[] };

class CApiForward implements BoundForward {
  readonly #context: Context;
  readonly #owner: Owner;
  readonly #session: Pointer;
  readonly #names: Names;
  readonly #bound: ReadonlySet<string>;
  readonly #binding: Pointer;
  /** Names as C has them. */
  readonly #texts = new Map<string, Uint8Array>();

  constructor(
    context: Context,
    owner: Owner,
    session: Pointer,
    sessionNames: Names,
    weights: readonly BoundWeight[],
  ) {
    this.#context = context;
    this.#owner = owner;
    this.#session = session;
    this.#names = sessionNames;
    this.#bound = new Set(weights.map(({ name }) => name));
    this.#binding = owner.own('ReleaseIoBinding', make('CreateIoBinding', session));
    context.lock.hold(() => {
      for (const { name, shape, value } of weights) this.#bind(name, this.#valueOf(shape, value));
    });
  }

  async run(feeds: Feeds, outputs: readonly string[]): Promise<Record<string, Tensor>> {
    return this.runWith(feeds, outputs, [], (results) => results);
  }

  async runWith<T>(
    feeds: Feeds,
    outputs: readonly string[],
    kept: readonly string[],
    use: (outputs: Record<string, Tensor>, kept: Record<string, DeviceTensor>) => T,
  ): Promise<T> {
    if (this.#owner.isDisposed) throw runError(new Error('Session already disposed.'));
    checkOutputs([...outputs, ...kept], this.#names.outputs);
    // A name that is bound twice comes back once.
    const host = [...new Set(outputs)];
    this.#checkFeeds(feeds);
    return this.#context.lock.hold(() => {
      using owner = new Owner();
      try {
        this.#bindAll(owner, feeds, host, kept);
        this.#execute();
      } catch (error) {
        throw error instanceof ZerothError ? error : runError(error);
      }
      const results = boundOutputs(owner, this.#context.allocator, this.#binding);
      try {
        return use(
          Object.fromEntries(host.map((name, i) => [name, onHost(name, results[i])])),
          Object.fromEntries(kept.map((name, i) => [name, onDevice(name, results[host.length + i])])),
        );
      } finally {
        // Scores of a vocabulary are large, and the next pass may be long in coming.
        if (kept.length > 0) releaseOutputs(this.#binding);
      }
    });
  }

  [Symbol.dispose](): void {
    this.#context.lock.hold(() => this.#owner[Symbol.dispose]());
  }

  #valueOf(shape: readonly number[], value: BoundWeight['value']): Pointer {
    if (!(value instanceof Float32Array)) return value.handle;
    const data = new Uint8Array(value.buffer, value.byteOffset, value.byteLength);
    return overHost(this.#owner, this.#context.hostInfo, { dataType: 'float32', shape, data });
  }

  /** A binding keeps what an earlier run has bound, so nothing may be left out. */
  #checkFeeds(feeds: Feeds): void {
    for (const name of this.#names.inputs)
      if (!this.#bound.has(name) && feeds[name] === undefined) throw missingInput(name);
  }

  #bindAll(owner: Owner, feeds: Feeds, outputs: readonly string[], kept: readonly string[]): void {
    const { hostInfo, deviceInfo } = this.#context;
    for (const [name, tensor] of Object.entries(feeds)) this.#bind(name, overHost(owner, hostInfo, tensor));
    releaseOutputs(this.#binding);
    for (const name of outputs) call('BindOutputToDevice', this.#binding, this.#text(name), hostInfo);
    for (const name of kept) call('BindOutputToDevice', this.#binding, this.#text(name), deviceInfo);
  }

  #bind(name: string, value: Pointer): void {
    call('BindInput', this.#binding, this.#text(name), value);
  }

  #text(name: string): Uint8Array {
    const text = this.#texts.get(name) ?? cText(name);
    this.#texts.set(name, text);
    return text;
  }

  #execute(): void {
    const { caller, runOptions } = this.#context;
    caller.run(runOptions, () => call('RunWithBinding', this.#session, runOptions, this.#binding));
  }
}

/** Lets go of the values of a run; those of another shape than the next one's would be refused. */
function releaseOutputs(binding: Pointer): void {
  release('ClearBoundOutputs', binding);
}

function onHost(name: string, value: Pointer): Tensor {
  const tensor = toTensor(value);
  if (tensor === undefined) throw invalid('outputs', 'tensors of numbers', `${name}, which is none`);
  return tensor;
}

function onDevice(name: string, value: Pointer): DeviceTensor {
  const described = describeValue(value);
  if (described === undefined) throw invalid('outputs', 'tensors of numbers', `${name}, which is none`);
  return { ...described, handle: value };
}

function names(context: Context, session: Pointer, kind: 'Input' | 'Output'): string[] {
  const count = Number(make(`SessionGet${kind}Count`, session));
  return Array.from({ length: count }, (_, i) =>
    takeText(context.allocator, make(`SessionGet${kind}Name`, session, i, context.allocator)),
  );
}

/** Text that ONNX Runtime allocated for us. */
function takeText(allocator: Pointer, at: Pointer): string {
  const text = koffi.decode(at, 'char', -1) as string;
  call('AllocatorFree', allocator, at);
  return text;
}
