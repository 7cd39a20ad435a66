// A module of the operator is imported by every model's thread, and may behave otherwise there than where it was tried: wait at its top level for what
// only the first one got, or loop. Without an end to that, loading a model and all work of one that is loaded would wait for ever.

/** What starting a thread and Node.js's own part of the first import may take, on a machine that is busy. */
export const START_MS = 20_000;

/** Seen by everybody: which bound it was. */
export function notImported(msMax: number): string {
  return `it was not imported within ${msMax} ms (objectiveMsMax)`;
}

/** For the main thread, whatever keeps the other one: `files` are imported one after the other. 0 is no deadline. */
export function importMsMax(files: number, msMax: number): number {
  return msMax === 0 ? 0 : START_MS + files * msMax;
}

/**
 * For the thread that imports. It does not keep the thread: one that has nothing else to wait for ends.
 * @param msMax 0 is no deadline.
 * @throws what `toError` makes of the bound, or what the import throws.
 */
export function importedWithin<T>(msMax: number, work: Promise<T>, toError: () => Error): Promise<T> {
  if (msMax === 0) return work;
  const { promise, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => reject(toError()), msMax).unref();
  return Promise.race([work, promise]).finally(() => clearTimeout(timer));
}
