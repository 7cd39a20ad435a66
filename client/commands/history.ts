// `zeroth fork` and `zeroth rollback`: other heads of the same past.
import { randomUUID } from 'node:crypto';
import type { Run } from '../../proto/gen/zeroth/v1/run_service.ts';
import { command } from './command.ts';
import { CommandError, EXIT } from './failure.ts';
import { revision, text, UsageError } from './flags.ts';
import { fullName, idOf } from './names.ts';
import { print, printJson, whole } from './output.ts';
import { connection, withServer } from './server/connection.ts';
import { runView } from './views.ts';

const Server = connection;

export const forkCommand = command({
  usage: 'fork <NAME>',
  does: 'a new run whose past is that of another one',
  flags: {
    Fork: {
      revision: revision('up to here; default: all of it'),
      id: text('ID', 'of the new run; default: one is chosen'),
    },
    Server,
  },
  fields: { revision: '--revision', run_id: '--id' },
  run: ({ args: [given], flags }, context) =>
    withServer({ flags, context }, async (zeroth) => {
      const name = fullName('runs', given);
      const at = flags.revision === undefined ? {} : { revision: BigInt(flags.revision) };
      const run = await zeroth.runs.fork({ name, runId: flags.id ?? '', ...at });
      if (context.isJson) return printJson(runView(run));
      print(`${run.name} begins where ${name} was at revision ${whole(run.forkedRevision)}`);
    }),
});

export const rollbackCommand = command({
  usage: 'rollback <NAME>',
  does: 'return a run to the weights that it had; nothing of its journal is forgotten',
  flags: { Rollback: { to: text('REVISION|SNAPSHOT', 'where to') }, Server },
  fields: { revision: '--to' },
  run: ({ args: [given], flags }, context) =>
    withServer({ flags, context }, async (zeroth) => {
      const { to } = flags;
      if (to === undefined) throw new UsageError('--to: expected a revision or a snapshot, got nothing');
      const run = await zeroth.runs.get(fullName('runs', given));
      const target = revisionOf(run, to);
      // The head is named as well: what somebody else adds meanwhile is not rolled back unseen.
      const { name, revision: expectedRevision } = run;
      const request = { name, revision: target, expectedRevision, requestId: `rollback/${randomUUID()}` };
      const answer = await zeroth.runs.rollback(request);
      if (context.isJson)
        return printJson({
          name,
          from: Number(run.revision),
          to: Number(target),
          revision: Number(answer.revision),
        });
      print(
        `${name} has the weights of revision ${whole(target)} again, as revision ${whole(answer.revision)}`,
      );
      print(`zeroth rollback ${name} --to ${run.revision} takes it back`);
    }),
});

/** A number, or the name of a snapshot of the run. */
function revisionOf({ name, snapshots }: Run, to: string): bigint {
  if (/^\d{1,15}$/.test(to)) return BigInt(to);
  const found = snapshots.find((each) => each.name === to || each.name === `${name}/snapshots/${to}`);
  if (found !== undefined) return found.revision;
  const ids = snapshots.map(({ name: each }) => idOf(each));
  throw new CommandError({
    exit: EXIT.refused,
    code: 'NOT_FOUND',
    reason: 'SNAPSHOT_NOT_FOUND',
    message: `--to: expected a revision or a snapshot of ${name}, got ${JSON.stringify(to)}`,
    next: ids.length === 0 ? `${name} has no snapshots` : `there is ${ids.join(', ')}`,
  });
}
