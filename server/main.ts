// The only place that builds things; it closes them in reverse.
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { type CheckpointStore, openCheckpointStore } from './checkpoint/store.ts';
import { type Config, helpText, type LocalSettings, loadConfig, localConfig } from './config.ts';
import { openDatasetStore } from './dataset/store.ts';
import { ZerothError } from './errors.ts';
import type { Journal } from './journal/journal.ts';
import { openJournal } from './journal/sqlite.ts';
import { Judges } from './judge/judges.ts';
import { type Log, openLog } from './log.ts';
import { openAccess } from './rpc/access.ts';
import type { Parts } from './rpc/handlers.ts';
import { LocalServer } from './rpc/local-server.ts';
import { RpcServer } from './rpc/server.ts';
import { Models } from './run/models.ts';
import { Objectives } from './run/objectives.ts';
import { Runs } from './run/runs.ts';
import { Studies } from './study/studies.ts';
import { Trainings } from './training/trainings.ts';
import { VERSION } from './version.ts';

export type RunningServer = { readonly port: number; close(): Promise<void> };

export type RunningLocalServer = { readonly calls: LocalServer; close(): Promise<void> };

export type LocalOptions = LocalSettings & {
  /** Instead of what `logLevel` and `logFormat` say. */
  readonly log?: Log | undefined;
};

/** Everything but what listens. */
async function build(config: Config, log: Log, opened: AsyncDisposableStack): Promise<Parts> {
  // The journal first: its lock says that no other server works in this folder.
  const journal = opened.adopt(openJournal(journalPath(config), { sync: config.journalSync }), (each) =>
    each.close(),
  );
  const datasets = opened.adopt(await openDatasetStore({ ...config, now: Date.now }), (each) => each.close());
  const checkpoints = await openCheckpoints(config, journal, log);
  const onLost = (name: string) => runs.sleepAll(name);
  const objectives = new Objectives({ config, log });
  await objectives.reload();
  const models = opened.adopt(new Models({ config, journal, objectives, log, onLost }), (each) =>
    each.close(),
  );
  await models.lookAtFolder();
  await models.chooseDevice();
  const judges = new Judges(config);
  const context = { config, journal, datasets, checkpoints, objectives, judges, log, now: Date.now };
  const runs = opened.adopt(new Runs(context, models), (each) => each.close());
  const trainings = opened.adopt(new Trainings(context, runs), (each) => each.close());
  // A clock that nobody sets while the server runs: leases last as long as they were asked for.
  const steadyNow = () => Math.floor(performance.timeOrigin + performance.now());
  const studies = opened.adopt(new Studies({ ...context, now: steadyNow }), (each) => each.close());
  return { config, journal, datasets, objectives, models, runs, trainings, studies, judges };
}

/** Starts a server; it answers when the promise resolves. Nothing is left behind where it rejects. */
export async function startServer(config: Config, log: Log): Promise<RunningServer> {
  await using opened = new AsyncDisposableStack();
  const access = openAccess(config, log, Date.now);
  const parts = await build(config, log, opened);
  const rpc = opened.adopt(new RpcServer(parts, log, access), (each) => each.close());

  const port = await rpc.listen();
  const address = `${config.host}:${port}`;
  log.info({ address, version: VERSION }, 'restoring');
  await restore(parts, log);
  rpc.open();
  const { modelDir, dataDir } = config;
  const { isEncrypted } = access;
  const device = parts.models.device;
  log.info({ address, tls: isEncrypted, version: VERSION, modelDir, dataDir, device }, 'listening');
  const everything = opened.move();
  return { port, close: () => everything.disposeAsync() };
}

/** The same without a socket, for callers in this process. Nothing is left behind where it rejects. */
export async function openLocalServer({
  log: given,
  ...settings
}: LocalOptions): Promise<RunningLocalServer> {
  const config = localConfig(settings);
  const log = given ?? openLog(config);
  await using opened = new AsyncDisposableStack();
  const parts = await build(config, log, opened);
  const calls = opened.adopt(new LocalServer(parts, log), (each) => each.close());
  await restore(parts, log);
  calls.open();
  const { modelDir, dataDir } = config;
  log.info({ version: VERSION, modelDir, dataDir, device: parts.models.device }, 'open');
  const everything = opened.move();
  return { calls, close: () => everything.disposeAsync() };
}

function journalPath({ dataDir }: Config): string {
  return dataDir === ':memory:' ? dataDir : join(dataDir, 'journal.sqlite');
}

/** A folder that cannot be had costs the checkpoints, not the server. */
async function openCheckpoints(config: Config, journal: Journal, log: Log): Promise<CheckpointStore> {
  const folder = config.dataDir === ':memory:' ? undefined : join(config.dataDir, 'checkpoints');
  const runs = journal.listRuns('', Number.MAX_SAFE_INTEGER).map(({ name }) => name);
  try {
    return await openCheckpointStore({ ...config, folder }, runs);
  } catch (error) {
    log.warn({ folder, err: error }, 'no checkpoints: their folder cannot be used');
    return openCheckpointStore({ ...config, folder: undefined }, runs);
  }
}

/** What an earlier process had loaded. A model that cannot be had leaves its runs asleep, and the server up. */
async function restore({ models, runs, trainings, studies, journal }: Parts, log: Log): Promise<void> {
  runs.load();
  for (const record of journal.models()) {
    try {
      await runs.wakeAll(await models.reload(record));
    } catch (error) {
      if (!(error instanceof ZerothError)) throw error;
      log.error({ model: record.name, err: error }, 'model not restored');
      runs.sleepAll(record.name, error);
    }
  }
  trainings.load();
  studies.load();
}

/** `zeroth serve`. Resolves when the server has been asked to stop and has stopped. */
export async function main(args: string[]): Promise<void> {
  if (args.includes('--help')) return void process.stdout.write(helpText());
  const config = loadConfig(args, process.env);
  const log = openLog(config);
  // Heard from the first moment on: who reads that the server listens may end it at once.
  const signal = new Promise<string>((resolve) => {
    for (const name of ['SIGINT', 'SIGTERM'] as const) process.once(name, resolve);
  });
  const server = await startServer(config, log);
  log.info({ signal: await signal }, 'stopping');
  await server.close();
  log.info('stopped');
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  main(process.argv.slice(2)).catch((error: unknown) => {
    process.stderr.write(`zeroth serve: ${error instanceof ZerothError ? error.message : String(error)}\n`);
    process.exitCode = 1;
  });
}
