// Native objects, each with one owner. An owner gives back what it holds in reverse order: values before the buffers
// they describe, bindings before their session, sessions before the allocator's.
import { type Plain, type Pointer, release } from './api.ts';

const live = new Map<string, number>();

/** How many native objects of this thread are not given back yet, by what gives them back. */
export function liveHandles(): ReadonlyMap<string, number> {
  return new Map([...live].filter(([, count]) => count > 0));
}

export function count(kind: string, by: number): void {
  live.set(kind, (live.get(kind) ?? 0) + by);
}

export class Owner implements Disposable {
  readonly #stack = new DisposableStack();

  /** @returns the pointer, which is this owner's from now on. */
  own(kind: Plain, pointer: Pointer): Pointer {
    count(kind, 1);
    this.#stack.defer(() => {
      release(kind, pointer);
      count(kind, -1);
    });
    return pointer;
  }

  /** To be called in its turn. */
  defer(onDispose: () => void): void {
    this.#stack.defer(onDispose);
  }

  get isDisposed(): boolean {
    return this.#stack.disposed;
  }

  [Symbol.dispose](): void {
    this.#stack.dispose();
  }
}

/** Builds something of several parts: what was made is given back where the rest cannot be made. */
export function built<T>(make: (owner: Owner) => T): T {
  const owner = new Owner();
  try {
    return make(owner);
  } catch (error) {
    owner[Symbol.dispose]();
    throw error;
  }
}
