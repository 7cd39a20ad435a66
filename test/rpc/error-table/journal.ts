// Entries of a journal: from where, and how many.
import { JournalServiceService, ListEntriesRequest } from '../../../proto/gen/zeroth/v1/journal_service.ts';
import type { Fixture } from '../../support/fixture-server.ts';
import { type Bad, RUN } from './bad.ts';

/** The friendly client leaves the size of its pages to the server. */
function listEntries({ channel }: Fixture, pageSize: number): Promise<unknown> {
  const request = ListEntriesRequest.fromPartial({ run: RUN, pageSize });
  return channel.unary(JournalServiceService.listEntries, request);
}

export const journal: readonly Bad[] = [
  {
    what: 'a negative revision to list from',
    call: (zeroth) => Array.fromAsync(zeroth.journal.list(RUN, { afterRevision: -1n })),
    code: 'INVALID_ARGUMENT',
    field: 'after_revision',
    message: 'after_revision: expected a revision of 0 or more, got -1',
  },
  {
    what: 'a negative revision to watch from',
    call: (zeroth) => Array.fromAsync(zeroth.journal.watch(RUN, { afterRevision: -1n })),
    code: 'INVALID_ARGUMENT',
    field: 'after_revision',
    message: 'after_revision: expected a revision of 0 or more, got -1',
  },
  {
    what: 'a page that is too large',
    call: (_, fixture) => listEntries(fixture, 1001),
    code: 'INVALID_ARGUMENT',
    field: 'page_size',
    message: 'page_size: expected 0 to 1000 (pageSizeMax), got 1001',
  },
];
