// JournalService.
import {
  type Entry,
  JournalServiceService,
  type VerifyRunResponse,
} from '../proto/gen/zeroth/v1/journal_service.ts';
import type { CallOptions, Channel } from './channel.ts';
import { pages } from './pages.ts';
import { isWorthRetrying, retrying } from './retry.ts';

export type Journal = ReturnType<typeof journal>;

export type AfterOptions = CallOptions & {
  /** Only entries after this revision. Default 0: all. */
  readonly afterRevision?: bigint;
};

export function journal(channel: Channel) {
  const service = JournalServiceService;
  return {
    /** What has happened so far, in order. */
    list: (run: string, { afterRevision = 0n, ...options }: AfterOptions = {}): AsyncIterable<Entry> =>
      pages(
        (page) => channel.idempotent(service.listEntries, { ...page, run, afterRevision }, options),
        (response) => response.entries,
      ),

    /**
     * What has happened and what will, in order, until the loop is left. Where the stream breaks it
     * is resumed after the last entry that came: none is missed and none comes twice.
     */
    async *watch(
      run: string,
      { afterRevision = 0n, ...options }: AfterOptions = {},
    ): AsyncGenerator<Entry, void> {
      for (;;) {
        const { entries, first } = await retrying(() => open(run, afterRevision), {
          policy: channel.retry,
          ...options,
        });
        try {
          for (let next = first; !next.done; next = await entries.next()) {
            const { entry } = next.value;
            if (entry === undefined) continue;
            afterRevision = entry.revision;
            yield entry;
          }
          return;
        } catch (error) {
          if (!isWorthRetrying(error)) throw error;
        } finally {
          await entries.return();
        }
      }

      async function open(run: string, afterRevision: bigint) {
        const entries = channel.serverStream(service.watchEntries, { run, afterRevision }, options);
        return { entries, first: await entries.next() };
      }
    },

    /** Rebuilds the weights from base and journal and compares them with the live ones, bit for bit. */
    verify: (run: string, options?: CallOptions): Promise<VerifyRunResponse> =>
      channel.idempotent(service.verifyRun, { run }, options),
  };
}
