import type {
  DecayEntry,
  JournalServiceServer,
  Entry as WireEntry,
} from '../../proto/gen/zeroth/v1/journal_service.ts';
import { invalid, ZerothError } from '../errors.ts';
import type { Change, Entry } from '../journal/journal.ts';
import type { Decay } from '../shift.ts';
import { toRevision } from './convert.ts';
import { toPageSize } from './page.ts';
import { getRun, type Services } from './services.ts';

export function journalService(services: Services): JournalServiceServer {
  const { adapter, config, journal } = services;
  let watchers = 0;

  return {
    listEntries: adapter.unary((request, call) => {
      const run = getRun(services, call, request.run, 'run');
      const size = toPageSize(request.pageSize, config.pageSizeMax);
      const after = request.pageToken === '' ? request.afterRevision : readPageToken(request.pageToken);
      const from = run.history.checkRevision(toRevision(after, 'after_revision'), 'after_revision');
      const entries = journal.entries(run.name, from, size);
      const last = entries.at(-1)?.revision ?? run.history.head;
      return {
        entries: entries.map(toWire),
        nextPageToken: last < run.history.head ? String(last) : '',
        head: BigInt(run.history.head),
      };
    }),

    watchEntries: adapter.watch(async function* (request, call) {
      const run = getRun(services, call, request.run, 'run');
      const after = toRevision(request.afterRevision, 'after_revision');
      call.note({ after });
      if (watchers >= config.watchersMax) throw tooManyWatchers(config.watchersMax);
      watchers++;
      try {
        for await (const { entry, head } of run.history.watch(after, call.signal))
          yield { entry: toWire(entry), head: BigInt(head) };
      } finally {
        watchers--;
      }
    }),

    verifyRun: adapter.unary(async (request, call) => {
      const run = getRun(services, call, request.run, 'run');
      const { revision, weightsSha256 } = await run.verify(call.signal);
      call.note({ revision });
      return { revision: BigInt(revision), weightsSha256, baseSha256: run.record.baseSha256 };
    }),
  };
}

function tooManyWatchers(watchersMax: number): ZerothError {
  const message = `${watchersMax} streams watch journals already (watchersMax)`;
  return new ZerothError('exhausted', message, { retryAfterMs: 1000 });
}

function readPageToken(pageToken: string): bigint {
  if (!/^\d{1,16}$/.test(pageToken))
    throw invalid('page_token', 'a next_page_token of this list', JSON.stringify(pageToken));
  return BigInt(pageToken);
}

function toWire(entry: Entry): WireEntry {
  return {
    revision: BigInt(entry.revision),
    change: toWireChange(entry.change),
    requestId: entry.requestId,
    time: new Date(entry.timeMs),
    digest: Buffer.from(entry.digest),
  };
}

function toWireChange(change: Change): WireEntry['change'] {
  switch (change.kind) {
    case 'shifts':
      return { $case: 'shifts', value: { shifts: [...change.shifts], decay: toWireDecay(change.decay) } };
    case 'regrid':
      return { $case: 'regrid', value: { tensor: change.tensor, exponent: change.exponent } };
    case 'rollback':
      return { $case: 'rollback', value: { toRevision: BigInt(change.toRevision) } };
  }
}

function toWireDecay(decay: Decay | undefined): DecayEntry | undefined {
  return decay && { ...decay, tensors: [...decay.tensors] };
}
