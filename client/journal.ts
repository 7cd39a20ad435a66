// JournalService.
import {
  type Entry,
  JournalServiceService,
  type VerifyRunResponse,
  type WatchEntriesResponse,
} from '../proto/gen/zeroth/v1/journal_service.ts';
import type { CallOptions, Channel } from './channel.ts';
import { pages } from './pages.ts';
import { resumable } from './resumable.ts';

export type Journal = ReturnType<typeof journal>;

/** Of a journal that is read. */
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
      const open = (last: WatchEntriesResponse | undefined, within: CallOptions) =>
        channel.serverStream(
          service.watchEntries,
          { run, afterRevision: last?.entry?.revision ?? afterRevision },
          within,
        );
      for await (const { entry } of resumable(open, { policy: channel.retry, ...options }))
        if (entry !== undefined) yield entry;
    },

    /** Rebuilds the weights from base and journal and compares them with the live ones, bit for bit. */
    verify: (run: string, options?: CallOptions): Promise<VerifyRunResponse> =>
      channel.idempotent(service.verifyRun, { run }, options),
  };
}
