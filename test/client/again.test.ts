// Which calls are tried again when an answer is lost: exactly those that do no harm when they are applied twice. Every call of
// the contract has to be here.
import { globSync, readFileSync } from 'node:fs';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { status } from '@grpc/grpc-js';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Zeroth } from '../../client/client.ts';
import { toTensor } from '../../client/tensor.ts';
import { ErrorInfo, ResourceInfo } from '../../proto/gen/google/rpc/error_details.ts';
import { methods, nameOf } from '../support/contract.ts';
import { FlakyServer } from '../support/flaky-server.ts';
import { errorWith } from './stand-in.ts';

type Call = (zeroth: Zeroth, file: string) => Promise<unknown>;

/** `again`: a lost answer is made up for. `once`: its error is the caller's. */
type Row = {
  readonly again?: Readonly<Record<string, Call>>;
  readonly once?: Readonly<Record<string, Call>>;
};

const run = 'runs/a';
const shifts = [{ seed: 1n, scale: 1 }];
const named = { update: { run, shifts, requestId: 'a' } };
const unnamed = { update: { run, shifts, expectedRevision: 0n } };
const x = toTensor(Float32Array.of(1), [1]);
const space = { start: [1] };
const optimizer = { name: 'random' };

/** What is served until it is let go. */
async function served(zeroth: Zeroth): Promise<void> {
  await using judge = zeroth.objectives.serve('remote/a', {}, () => [0]);
  await judge.served;
}

async function driven(zeroth: Zeroth, step: object): Promise<unknown> {
  using drive = zeroth.oracle.drive();
  return await drive.step(step);
}

const only = (call: Call) => ({ '': call });

const table: Readonly<Record<string, Row>> = {
  'ServerService/GetServerInfo': { again: only((zeroth) => zeroth.info()) },
  'ServerService/ReloadObjectives': { again: only((zeroth) => zeroth.reloadObjectives()) },
  'ModelService/ListModels': { again: only(({ models }) => Array.fromAsync(models.list())) },
  'ModelService/GetModel': { again: only(({ models }) => models.get('models/a')) },
  // A model has a name, its file's at least: a second attempt is refused, and looks for it.
  'ModelService/LoadModel': { again: only(({ models }) => models.load('a.onnx')) },
  'ModelService/UnloadModel': { again: only(({ models }) => models.unload('models/a')) },
  // Content has one name.
  'DatasetService/CreateDataset': { again: only(({ datasets }) => datasets.create({ x })) },
  'DatasetService/GetDataset': { again: only(({ datasets }) => datasets.get('datasets/a')) },
  'DatasetService/ListDatasets': { again: only(({ datasets }) => Array.fromAsync(datasets.list())) },
  'DatasetService/DeleteDataset': { again: only(({ datasets }) => datasets.delete('datasets/a')) },
  'RunService/CreateRun': {
    again: { 'with an id': ({ runs }) => runs.create({ runId: 'a' }) },
    once: { 'without an id': ({ runs }) => runs.create({}) },
  },
  'RunService/GetRun': { again: only(({ runs }) => runs.get(run)) },
  'RunService/ListRuns': { again: only(({ runs }) => Array.fromAsync(runs.list())) },
  'RunService/DeleteRun': { again: only(({ runs }) => runs.delete(run)) },
  'RunService/ForkRun': {
    again: { 'with an id': ({ runs }) => runs.fork({ name: run, runId: 'b' }) },
    once: { 'without an id': ({ runs }) => runs.fork({ name: run }) },
  },
  'RunService/RollbackRun': {
    again: { 'with a request id': ({ runs }) => runs.rollback({ name: run, requestId: 'a' }) },
    once: {
      'without a request id': ({ runs }) => runs.rollback({ name: run, expectedRevision: 1n }),
      'with an empty request id': ({ runs }) =>
        runs.rollback({ name: run, requestId: '', expectedRevision: 1n }),
    },
  },
  // Names a revision, whatever it named before.
  'RunService/CreateSnapshot': { again: only(({ runs }) => runs.snapshot(run, 'a', 1n)) },
  'RunService/DeleteSnapshot': { again: only(({ runs }) => runs.deleteSnapshot(`${run}/snapshots/a`)) },
  'RunService/ReadWeights': {
    again: { 'in memory': ({ runs }) => runs.readWeights({ run }) },
    once: { 'as it comes': ({ runs }) => Array.fromAsync(runs.weightParts({ run })) },
  },
  'RunService/ExportRun': {
    again: {
      'in memory': ({ runs }) => runs.export({ name: run }),
      'to a file': ({ runs }, file) => runs.exportTo(file, { name: run }),
    },
    once: { 'as it comes': ({ runs }) => Array.fromAsync(runs.exportParts({ name: run })) },
  },
  'OracleService/Perturb': { again: only(({ oracle }) => oracle.perturb({ run })) },
  'OracleService/Evaluate': { again: only(({ oracle }) => oracle.evaluate({ run })) },
  'OracleService/EvaluateOutputs': { once: only(({ oracle }) => Array.fromAsync(oracle.outputs({ run }))) },
  'OracleService/Update': {
    again: { 'with a request id': ({ oracle }) => oracle.update(named.update) },
    once: {
      'without a request id': ({ oracle }) => oracle.update(unnamed.update),
      'with an empty request id': ({ oracle }) => oracle.update({ ...unnamed.update, requestId: '' }),
    },
  },
  'OracleService/Step': {
    again: {
      'with a request id': ({ oracle }) => oracle.step(named),
      'without an update': ({ oracle }) => oracle.step({ evaluate: { run } }),
    },
    once: { 'without a request id': ({ oracle }) => oracle.step(unnamed) },
  },
  'OracleService/Drive': {
    again: {
      'with a request id': (zeroth) => driven(zeroth, named),
      'without an update': (zeroth) => driven(zeroth, { evaluate: { run } }),
    },
    once: { 'without a request id': (zeroth) => driven(zeroth, unnamed) },
  },
  'ObjectiveService/ServeObjective': { again: only(served) },
  'JournalService/ListEntries': { again: only(({ journal }) => Array.fromAsync(journal.list(run))) },
  'JournalService/WatchEntries': { again: only(({ journal }) => Array.fromAsync(journal.watch(run))) },
  'JournalService/VerifyRun': { again: only(({ journal }) => journal.verify(run)) },
  'TrainingService/StartTraining': {
    again: { 'with an id': ({ trainings }) => trainings.start({ run, trainingId: 'a' }) },
    once: { 'without an id': ({ trainings }) => trainings.start({ run }) },
  },
  'TrainingService/GetTraining': { again: only(({ trainings }) => trainings.get('a')) },
  'TrainingService/ListTrainings': { again: only(({ trainings }) => Array.fromAsync(trainings.list())) },
  'TrainingService/WatchTraining': { again: only(({ trainings }) => Array.fromAsync(trainings.watch('a'))) },
  // States that are reached, and stay.
  'TrainingService/PauseTraining': { again: only(({ trainings }) => trainings.pause('a')) },
  'TrainingService/ResumeTraining': { again: only(({ trainings }) => trainings.resume('a')) },
  'TrainingService/StopTraining': { again: only(({ trainings }) => trainings.stop('a')) },
  'TrainingService/DeleteTraining': { again: only(({ trainings }) => trainings.delete('a')) },
  'StudyService/CreateStudy': {
    again: { 'with an id': ({ studies }) => studies.create({ studyId: 'a', space, optimizer }) },
    once: { 'without an id': ({ studies }) => studies.create({ space, optimizer }) },
  },
  'StudyService/GetStudy': { again: only(({ studies }) => studies.get('studies/a')) },
  'StudyService/ListStudies': { again: only(({ studies }) => Array.fromAsync(studies.list())) },
  'StudyService/DeleteStudy': { again: only(({ studies }) => studies.delete('studies/a')) },
  'StudyService/Ask': {
    again: { 'with an id of its own': ({ studies }) => studies.ask('studies/a', { clientId: 'a' }) },
    once: { 'with an empty id': ({ studies }) => studies.ask('studies/a', { clientId: 'a', requestId: '' }) },
  },
  'StudyService/Tell': {
    again: { 'with an id of its own': ({ studies }) => studies.tell('studies/a', [{ trial: 1n, value: 1 }]) },
    once: {
      'with an empty id': ({ studies }) =>
        studies.tell('studies/a', [{ trial: 1n, value: 1 }], { requestId: '' }),
      'with an empty id of the question within': ({ studies }) =>
        studies.tell('studies/a', [], { ask: { clientId: 'a', requestId: '' } }),
    },
  },
  'StudyService/GetBest': { again: only(({ studies }) => studies.best('studies/a')) },
  'StudyService/ListTrials': { again: only(({ studies }) => Array.fromAsync(studies.trials('studies/a'))) },
  'StudyService/ListUpdates': { again: only(({ studies }) => Array.fromAsync(studies.updates('studies/a'))) },
  'StudyService/ExportStudy': {
    again: { 'in memory': ({ studies }) => studies.export('studies/a') },
    once: { 'as it comes': ({ studies }) => Array.fromAsync(studies.exportParts('studies/a')) },
  },
  'StudyService/ImportStudy': {
    again: { 'with an id': ({ studies }) => studies.import(Buffer.of(1), { studyId: 'a' }) },
    once: { 'without an id': ({ studies }) => studies.import(Buffer.of(1)) },
  },
};

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'zeroth-again-'));
});
afterAll(() => rm(folder, { recursive: true }));

/** What a call comes to where so many answers are lost. */
async function outcome(call: Call, prepare: (server: FlakyServer) => void) {
  await using server = await FlakyServer.start();
  await using zeroth = server.connect();
  prepare(server);
  const end = await call(zeroth, join(folder, 'file')).then(
    (answer: unknown) => ({ answer, error: undefined }),
    (error: unknown) => ({ answer: undefined, error }),
  );
  return { calls: server.calls, ...end };
}

const rows = Object.entries(table).flatMap(([name, { again = {}, once = {} }]) => [
  ...Object.entries(again).map(([how, call]) => ({ name, how, call, isRepeated: true })),
  ...Object.entries(once).map(([how, call]) => ({ name, how, call, isRepeated: false })),
]);

/** "RunService/GetRun", from the contract's own files. */
function rpcs(): string[] {
  return globSync('proto/zeroth/v1/*.proto').flatMap((file) => {
    const text = readFileSync(file, 'utf8');
    const service = /^service (\w+)/m.exec(text)?.[1];
    return [...text.matchAll(/^ {2}rpc (\w+)\(/gm)].map(([, name]) => `${service}/${name}`);
  });
}

test('every call of the contract is here, and one that is new is missed', () => {
  expect(rpcs().length).toBeGreaterThan(40);
  expect(Object.keys(table).sort()).toEqual(rpcs().sort());
  expect(methods.map(nameOf).sort()).toEqual(rpcs().sort());
});

describe('a call whose answer is lost twice', () => {
  test.each(rows.filter(({ isRepeated }) => isRepeated))(
    '$name $how is made three times',
    async ({ name, call }) => {
      const { calls, error } = await outcome(call, (server) => server.loseAnswers(2));
      expect(error).toBeUndefined();
      expect(calls).toEqual([name, name, name]);
    },
  );

  test.each(rows.filter(({ isRepeated }) => !isRepeated))(
    '$name $how is made once',
    async ({ name, call }) => {
      const { calls, error } = await outcome(call, (server) => server.loseAnswers(2));
      expect(error).toMatchObject({ code: 'UNAVAILABLE', reason: '', message: 'the answer was lost' });
      expect(calls).toEqual([name]);
    },
  );
});

/** @param taken the full name of what exists already. */
function refusal(code: status, reason: string, taken = '') {
  const info = ErrorInfo.encode({ reason, domain: 'zeroth.v1', metadata: {} }).finish();
  const resource = ResourceInfo.encode(ResourceInfo.fromPartial({ resourceName: taken })).finish();
  return errorWith(code, `because of ${reason}`, [
    { type: 'ErrorInfo', value: info },
    ...(taken === '' ? [] : [{ type: 'ResourceInfo', value: resource }]),
  ]);
}

const NOT_FOUND = refusal(status.NOT_FOUND, 'NOT_FOUND');
const callOf = (name: string, how = '') => rows.find((row) => row.name === name && row.how === how)!.call;

describe('what is deleted', () => {
  const deletions = rows.filter(({ name }) => /\/(Delete|Unload)/.test(name));

  test('has all of its calls here', () => expect(deletions).toHaveLength(6));

  test.each(deletions)('$name: gone after a lost answer is what was asked for', async ({ call }) => {
    const { calls, error } = await outcome(call, (server) => {
      server.loseAnswers(1);
      server.faults.push(NOT_FOUND);
    });
    expect([calls.length, error]).toEqual([2, undefined]);
  });

  test.each(deletions)('$name: never there is an error', async ({ call }) => {
    const { error } = await outcome(call, (server) => server.faults.push(NOT_FOUND));
    expect(error).toMatchObject({ code: 'NOT_FOUND' });
  });

  test('another error after a lost answer is itself', async () => {
    const { error } = await outcome(callOf('ModelService/UnloadModel'), (server) => {
      server.loseAnswers(1);
      server.faults.push(refusal(status.FAILED_PRECONDITION, 'MODEL_IN_USE'));
    });
    expect(error).toMatchObject({ reason: 'MODEL_IN_USE' });
  });
});

describe('what is made under a name', () => {
  const creations = rows.filter(({ how }) => how === 'with an id');

  test('has all of its calls here', () => expect(creations).toHaveLength(5));

  test.each(creations)(
    '$name: taken after a lost answer, nobody knows whose it is',
    async ({ name, call }) => {
      const reason = name === 'TrainingService/StartTraining' ? 'RUN_IN_TRAINING' : 'ALREADY_EXISTS';
      const { calls, error } = await outcome(call, (server) => {
        server.loseAnswers(1);
        server.faults.push(refusal(status.ALREADY_EXISTS, reason));
      });
      expect(error).toMatchObject({
        code: 'UNAVAILABLE',
        message: `the answer was lost; tried again: because of ${reason}`,
      });
      expect(calls).toHaveLength(2);
    },
  );

  test.each(creations)(
    '$name: taken from the beginning, or after a refusal, is an error of its own',
    async ({ call }) => {
      for (const before of [[], [refusal(status.UNAVAILABLE, 'LOADING')]]) {
        const { error } = await outcome(call, (server) =>
          server.faults.push(...before, refusal(status.ALREADY_EXISTS, 'ALREADY_EXISTS')),
        );
        expect(error).toMatchObject({ code: 'ALREADY_EXISTS' });
      }
    },
  );
});

describe('a model that is there', () => {
  const LOAD = 'ModelService/LoadModel';
  const GET = 'ModelService/GetModel';
  const TAKEN = refusal(status.ALREADY_EXISTS, 'ALREADY_EXISTS', 'models/a');
  const load = (path: string, lost: number, faults: readonly object[]) =>
    outcome(
      ({ models }) => models.load(path),
      (server) => {
        server.loseAnswers(lost);
        server.faults.push(...faults);
      },
    );

  test.each([0, 1])('is it where it has the path; answers lost before: %i', async (lost) => {
    const { calls, answer } = await load('a.onnx', lost, [TAKEN]);
    expect(answer).toMatchObject({ name: 'models/a', path: 'a.onnx' });
    expect(calls.slice(lost)).toEqual([LOAD, GET]);
  });

  test.each([0, 1])('is another where it has another path; answers lost before: %i', async (lost) => {
    const { calls, error } = await load('b/a.onnx', lost, [TAKEN]);
    expect(error).toMatchObject({ code: 'ALREADY_EXISTS', details: { resource: 'models/a' } });
    expect(calls.slice(lost)).toEqual([LOAD, GET]);
  });

  test('is waited for while it is being loaded, and loaded again where that failed', async () => {
    const { calls, answer } = await load('a.onnx', 0, [TAKEN, NOT_FOUND, TAKEN, NOT_FOUND]);
    expect(answer).toBeDefined();
    expect(calls).toEqual([LOAD, GET, LOAD, GET, LOAD]);
  });
});

test('an export that breaks off leaves one file, whole, and nothing beside it', async () => {
  const { error } = await outcome(callOf('RunService/ExportRun', 'to a file'), (server) =>
    server.loseAnswers(1),
  );
  expect(error).toBeUndefined();
  expect(await readdir(folder)).toEqual(['file']);
  expect(await readFile(join(folder, 'file'), 'utf8')).toBe('x');
});
