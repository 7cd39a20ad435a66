// Values that are dear to load, the most recently used ones within a number of bytes.

export type Cache<Value> = {
  /** What is kept, or what `load` gives; callers at the same time share one load. */
  get(key: string, bytes: number, load: () => Promise<Value>): Promise<Value>;
  /** Forgets a value; one that is loading is waited for, and not kept. */
  drop(key: string): Promise<void>;
};

export function leastRecentlyUsed<Value>(bytesMax: number): Cache<Value> {
  // A Map lists its keys in the order they were put: the first is the one to go.
  const kept = new Map<string, { readonly bytes: number; readonly value: Promise<Value> }>();
  let bytesKept = 0;

  function forget(key: string): void {
    bytesKept -= kept.get(key)?.bytes ?? 0;
    kept.delete(key);
  }

  function loaded(key: string, load: () => Promise<Value>): Promise<Value> {
    const value: Promise<Value> = load().catch((error: unknown) => {
      // A failed load is tried again by the next caller, unless another has begun since.
      if (kept.get(key)?.value === value) forget(key);
      throw error;
    });
    return value;
  }

  return {
    get(key, bytes, load) {
      const value = kept.get(key)?.value ?? loaded(key, load);
      forget(key);
      for (const oldest of kept.keys()) {
        if (bytesKept + bytes <= bytesMax) break;
        forget(oldest);
      }
      kept.set(key, { bytes, value });
      bytesKept += bytes;
      return value;
    },
    async drop(key) {
      const value = kept.get(key)?.value;
      forget(key);
      await value?.catch(() => {});
    },
  };
}
