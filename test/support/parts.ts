// A server in this process whose parts are at hand, and whose journal can be interrupted: for races, and for faults of a disk.
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { connect } from '../../client/client.ts';
import { openCheckpointStore } from '../../server/checkpoint/store.ts';
import { loadConfig } from '../../server/config.ts';
import { openDatasetStore } from '../../server/dataset/store.ts';
import type { Journal } from '../../server/journal/journal.ts';
import { openJournal } from '../../server/journal/sqlite.ts';
import { Judges } from '../../server/judge/judges.ts';
import { openLog } from '../../server/log.ts';
import { openAccess } from '../../server/rpc/access.ts';
import { RpcServer } from '../../server/rpc/server.ts';
import { Models } from '../../server/run/models.ts';
import { Objectives } from '../../server/run/objectives.ts';
import { Runs } from '../../server/run/runs.ts';
import { Studies } from '../../server/study/studies.ts';
import { Trainings } from '../../server/training/trainings.ts';
import { OBJECTIVE, tinyModel } from './fixture-server.ts';
import { temporaryFolder } from './server-process.ts';

const FLAGS = ['--port', '0', '--data-dir', ':memory:', '--log-level', 'silent', '--threads', '1'];

/** What the journal does before its own work: the moment of a race, and faults of a disk. */
export type Before = { -readonly [Method in keyof Journal]?: (name: string, given?: unknown) => void };

/** A server whose parts are at hand, on a real socket, with the model loaded. */
export async function startParts(flags: readonly string[] = []) {
  await using opened = new AsyncDisposableStack();
  const folder = opened.use(await temporaryFolder());
  await writeFile(join(folder.path, 'mlp.onnx'), tinyModel());
  const config = loadConfig([...FLAGS, '--model-dir', folder.path, ...flags], {});
  const log = openLog(config);
  const before: Before = {};
  const real = opened.adopt(openJournal(':memory:', { sync: 'normal' }), (each) => each.close());
  const journal = interrupted(real, before);
  const datasets = await openDatasetStore({ ...config, now: Date.now });
  const objectives = new Objectives({ config, log });
  const checkpoints = await openCheckpointStore({ ...config, folder: undefined }, []);
  const onLost = (name: string) => runs.sleepAll(name);
  const models = opened.adopt(new Models({ config, journal, objectives, log, onLost }), (each) =>
    each.close(),
  );
  const judges = new Judges(config);
  const context = { config, journal, datasets, checkpoints, objectives, judges, log, now: Date.now };
  const runs = new Runs(context, models);
  const trainings = opened.adopt(new Trainings(context, runs), (each) => each.close());
  const studies = opened.adopt(new Studies(context), (each) => each.close());
  const rpc = new RpcServer(
    { config, journal, datasets, objectives, models, runs, trainings, studies, judges },
    log,
    openAccess(config, log, Date.now),
  );
  opened.adopt(rpc, (each) => each.close());
  const retry = { attemptsMax: 1, totalMsMax: 0, delayMs: 0, delayMsMax: 0 };
  const zeroth = opened.use(connect(`127.0.0.1:${await rpc.listen()}`, { retry }));
  rpc.open();
  await zeroth.models.load('mlp.onnx');
  const create = (runId: string, trainable = {}) =>
    zeroth.runs.create({ model: 'models/mlp', runId, objective: OBJECTIVE, trainable });
  const stack = opened.move();
  const dispose = () => stack.disposeAsync();
  return {
    zeroth,
    models,
    runs,
    trainings,
    journal,
    datasets,
    before,
    create,
    [Symbol.asyncDispose]: dispose,
  };
}

function interrupted(journal: Journal, before: Before): Journal {
  return new Proxy(journal, {
    get: (target, key: keyof Journal) => {
      if (key === 'trainings' || key === 'studies') return target[key];
      return (first: unknown, second: unknown, third: unknown) => {
        before[key]?.((first as { name?: string })?.name ?? String(first), second);
        return (target[key] as (...args: unknown[]) => unknown)(first, second, third);
      };
    },
  });
}
