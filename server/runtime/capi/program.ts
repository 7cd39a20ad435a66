// Small graphs on a device: called once, or bound to values that stay where they are.
import type { Tensor } from '../../tensor.ts';
import { deviceError } from '../errors.ts';
import type { Binding, DeviceTensor, Program } from '../runtime.ts';
import { call, make, type Pointer } from './api.ts';
import { type Context, openSession } from './context.ts';
import { built, Owner } from './handles.ts';
import { boundOutputs, cText, overHost, toTensor } from './values.ts';

/**
 * @param options.isStrict Whether it is an error where the host would have to compute a node for the device.
 * @throws ZerothError
 */
export function openProgram(
  context: Context,
  model: Uint8Array,
  { isStrict } = { isStrict: true },
): CApiProgram {
  try {
    return built(
      (owner) => new CApiProgram(context, owner, openSession(owner, context, model, { isStrict })),
    );
  } catch (error) {
    throw deviceError(error);
  }
}

export class CApiProgram implements Program {
  readonly #context: Context;
  readonly #owner: Owner;
  readonly #session: Pointer;
  readonly #runOptions: Pointer;

  constructor(context: Context, owner: Owner, session: Pointer) {
    this.#context = context;
    this.#owner = owner;
    this.#session = session;
    this.#runOptions = owner.own('ReleaseRunOptions', make('CreateRunOptions'));
  }

  bind(
    inputs: Readonly<Record<string, DeviceTensor>>,
    outputs: Readonly<Record<string, DeviceTensor>>,
  ): Binding {
    return this.#context.lock.hold(() =>
      built((owner) => {
        const binding = new CApiBinding(this.#context, owner, this.#session, this.#runOptions);
        for (const [name, value] of Object.entries(inputs)) binding.set(name, value);
        for (const [name, value] of Object.entries(outputs)) binding.setOutput(name, value);
        return binding;
      }),
    );
  }

  call(inputs: Readonly<Record<string, DeviceTensor | Tensor>>, output: string): Tensor {
    const { lock, hostInfo, allocator } = this.#context;
    return lock.hold(() => {
      using owner = new Owner();
      try {
        const binding = owner.own('ReleaseIoBinding', make('CreateIoBinding', this.#session));
        for (const [name, value] of Object.entries(inputs)) {
          const handle = 'handle' in value ? value.handle : overHost(owner, hostInfo, value);
          call('BindInput', binding, cText(name), handle);
        }
        call('BindOutputToDevice', binding, cText(output), hostInfo);
        call('RunWithBinding', this.#session, this.#runOptions, binding);
        return toTensor(boundOutputs(owner, allocator, binding)[0])!;
      } catch (error) {
        throw deviceError(error);
      }
    });
  }

  /** Of an identity: from `x` to `y`. */
  copy(from: Pointer, to: Pointer): void {
    using owner = new Owner();
    const binding = owner.own('ReleaseIoBinding', make('CreateIoBinding', this.#session));
    call('BindInput', binding, cText('x'), from);
    call('BindOutput', binding, cText('y'), to);
    call('RunWithBinding', this.#session, this.#runOptions, binding);
  }

  [Symbol.dispose](): void {
    this.#context.lock.hold(() => this.#owner[Symbol.dispose]());
  }
}

class CApiBinding implements Binding {
  readonly #context: Context;
  readonly #owner: Owner;
  readonly #session: Pointer;
  readonly #runOptions: Pointer;
  readonly #binding: Pointer;
  /** What inputs of ours are over, until others take their place. */
  readonly #held = new Map<string, Owner>();

  constructor(context: Context, owner: Owner, session: Pointer, runOptions: Pointer) {
    this.#context = context;
    this.#owner = owner;
    this.#session = session;
    this.#runOptions = runOptions;
    owner.defer(() => {
      for (const held of this.#held.values()) held[Symbol.dispose]();
    });
    this.#binding = owner.own('ReleaseIoBinding', make('CreateIoBinding', session));
  }

  set(input: string, value: DeviceTensor | Tensor): void {
    try {
      this.#context.lock.hold(() => {
        if ('handle' in value) call('BindInput', this.#binding, cText(input), value.handle);
        else this.#setHost(input, value);
      });
    } catch (error) {
      throw deviceError(error);
    }
  }

  setOutput(output: string, value: DeviceTensor): void {
    call('BindOutput', this.#binding, cText(output), value.handle);
  }

  run(): void {
    try {
      this.#context.lock.hold(() => call('RunWithBinding', this.#session, this.#runOptions, this.#binding));
    } catch (error) {
      throw deviceError(error);
    }
  }

  [Symbol.dispose](): void {
    this.#context.lock.hold(() => this.#owner[Symbol.dispose]());
  }

  #setHost(input: string, value: Tensor): void {
    const owner = built((own) => {
      call('BindInput', this.#binding, cText(input), overHost(own, this.#context.hostInfo, value));
      return own;
    });
    this.#held.get(input)?.[Symbol.dispose]();
    this.#held.set(input, owner);
  }
}
