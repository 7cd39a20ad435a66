// Streams without an end, that are opened again behind the last item that came.
import type { CallOptions } from './channel.ts';
import { isWorthRetrying, type RetryPolicy, retrying } from './retry.ts';

/**
 * Where the stream breaks it is opened again: no item is missed and none comes twice. Ends with the stream.
 * @param open a stream of all items behind one; undefined for all.
 * @param options `timeoutMs` is for all of it, however often it is opened.
 */
export async function* resumable<Item>(
  open: (last: Item | undefined, options: CallOptions) => AsyncGenerator<Item, void>,
  { policy, signal, timeoutMs }: CallOptions & { readonly policy: RetryPolicy },
): AsyncGenerator<Item, void> {
  let last: Item | undefined;
  const end = timeoutMs === undefined ? undefined : performance.now() + timeoutMs;
  const begin = async () => {
    const left = end === undefined ? undefined : Math.max(1, Math.ceil(end - performance.now()));
    const items = open(last, { signal, timeoutMs: left });
    return { items, first: await items.next() };
  };
  for (;;) {
    const { items, first } = await retrying(begin, { policy, signal });
    try {
      for (let next = first; !next.done; next = await items.next()) {
        last = next.value;
        yield next.value;
      }
      return;
    } catch (error) {
      if (!isWorthRetrying(error)) throw error;
    } finally {
      await items.return();
    }
  }
}
