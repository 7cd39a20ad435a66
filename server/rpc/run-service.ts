import { Parameter as WireParameter } from '../../proto/gen/zeroth/v1/common.ts';
import {
  ExportFormat,
  type ExportRunResponse,
  type ReadWeightsResponse,
  type RunServiceServer,
  RunState,
  type Snapshot,
  type Run as WireRun,
} from '../../proto/gen/zeroth/v1/run_service.ts';
import { invalid, ZerothError } from '../errors.ts';
import { checkId, checkName, checkSnapshotName, randomId } from '../names.ts';
import { journalBytes } from '../run/journal-bytes.ts';
import type { Run } from '../run/run.ts';
import { fromAdditions, toAdditions } from './additions.ts';
import {
  fromObjective,
  fromParameter,
  fromTable,
  toNoise,
  toObjective,
  toOptionalRevision,
  toPoint,
  toRevision,
  toTable,
} from './convert.ts';
import { toChangeConditions } from './oracle-service.ts';
import { page } from './page.ts';
import { getRun, type Services } from './services.ts';

export function runService(services: Services): RunServiceServer {
  const { adapter, config, runs, trainings, journal } = services;
  const toWire = async (run: Run) => toWireRun(run, await journalBytes(journal, run.name));

  return {
    createRun: adapter.unary(async (request, call) => {
      toNoise(request.noise);
      if (request.objective === undefined) throw invalid('objective', 'an objective', 'none');
      const run = await runs.create({
        model: checkName(request.model, 'models', 'model'),
        id: request.runId === '' ? '' : checkId(request.runId, 'run_id'),
        include: request.trainable?.include ?? [],
        exclude: request.trainable?.exclude ?? [],
        table: toTable(request.table, 'table'),
        objective: toObjective(request.objective),
        additions: toAdditions(request),
      });
      call.note({ run: run.name });
      return { run: await toWire(run) };
    }),

    getRun: adapter.unary(async (request, call) => ({
      run: await toWire(getRun(services, call, request.name, 'name')),
    })),

    listRuns: adapter.unary(async (request) => {
      const model = request.model === '' ? '' : checkName(request.model, 'models', 'model');
      const { items, nextPageToken } = page(runs.list(model), request, config.pageSizeMax);
      const listed: WireRun[] = [];
      for (const run of items) {
        try {
          listed.push(await toWire(run));
        } catch (error) {
          // Deleted while journals were counted.
          if (!(error instanceof ZerothError && error.kind === 'not-found')) throw error;
        }
      }
      return { runs: listed, nextPageToken };
    }),

    deleteRun: adapter.unary(async (request, call) => {
      const { name } = getRun(services, call, request.name, 'name');
      await trainings.abandonAll(name);
      await runs.delete(name);
      return {};
    }),

    forkRun: adapter.unary(async (request, call) => {
      const from = getRun(services, call, request.name, 'name');
      const id = request.runId === '' ? '' : checkId(request.runId, 'run_id');
      const run = await runs.fork(from, toOptionalRevision(request.revision, 'revision'), id);
      call.note({ run: run.name, from: from.name });
      return { run: await toWire(run) };
    }),

    rollbackRun: adapter.unary(async (request, call) => {
      const run = getRun(services, call, request.name, 'name');
      const change = { kind: 'rollback', toRevision: toRevision(request.revision, 'revision') } as const;
      const outcome = await run.step({ change, ...toChangeConditions(request) }, undefined, call.signal);
      const { revision, head, replayed } = outcome.change!;
      call.note({ revision, to: change.toRevision });
      return { revision: BigInt(revision), head: BigInt(head), replayed };
    }),

    createSnapshot: adapter.unary(async (request, call) => {
      const run = getRun(services, call, request.run, 'run');
      const id =
        request.snapshotId === '' ? randomId('snapshot') : checkId(request.snapshotId, 'snapshot_id');
      const revision = toOptionalRevision(request.revision, 'revision');
      const snapshot = await run.createSnapshot(id, revision, request.replace);
      call.note({ snapshot: id, revision: snapshot.revision });
      return { snapshot: toWireSnapshot(run.name, snapshot) };
    }),

    deleteSnapshot: adapter.unary(async (request, call) => {
      const { run, id } = checkSnapshotName(request.name, 'name');
      call.note({ run, snapshot: id });
      await runs.get(run).deleteSnapshot(id);
      return {};
    }),

    readWeights: adapter.serverStream(async function* (request, call): AsyncGenerator<ReadWeightsResponse> {
      const run = getRun(services, call, request.run, 'run');
      const point = run.history.pin(
        toPoint(request.point, 'point', run.name, config),
        run.history.head,
        'point',
      );
      call.note({ revision: point.revision });
      for (const tensor of chosenTensors(run, request.parameters)) {
        const data = await run.read(point, tensor, call.signal);
        const parameter = run.record.trainable[tensor];
        for (const chunk of chunks(data, config.chunkBytes))
          yield { parameter, revision: BigInt(point.revision), ...chunk };
      }
    }),

    exportRun: adapter.serverStream(async function* (request, call): AsyncGenerator<ExportRunResponse> {
      const run = getRun(services, call, request.name, 'name');
      const revision = toOptionalRevision(request.revision, 'revision');
      const exported = await run.exportRun(revision, toFormat(request.format), call.signal);
      const { file, sha256, weightsSha256 } = exported;
      const bytes = file.reduce((sum, part) => sum + part.byteLength, 0);
      call.note({ revision: exported.revision, bytes });
      const header = {
        revision: BigInt(exported.revision),
        bytes: BigInt(bytes),
        sha256,
        weightsSha256,
      };
      yield { part: { $case: 'header', value: header } };
      for (const part of file)
        for (const { data } of chunks(part, config.chunkBytes))
          yield { part: { $case: 'data', value: data } };
    }),
  };
}

function toFormat(format: ExportFormat): 'onnx' | 'onnx-merged' | 'safetensors' | 'journal' {
  switch (format) {
    case ExportFormat.EXPORT_FORMAT_UNSPECIFIED:
    case ExportFormat.EXPORT_FORMAT_ONNX:
      return 'onnx';
    case ExportFormat.EXPORT_FORMAT_SAFETENSORS:
      return 'safetensors';
    case ExportFormat.EXPORT_FORMAT_ONNX_MERGED:
      return 'onnx-merged';
    case ExportFormat.EXPORT_FORMAT_JOURNAL:
      return 'journal';
    default:
      throw invalid('format', 'onnx (1), safetensors (2), onnx_merged (3) or journal (4)', String(format));
  }
}

/** Tensor indices in order; all where none is named. */
function chosenTensors(run: Run, names: readonly string[]): number[] {
  const { trainable } = run.record;
  if (names.length === 0) return [...trainable.keys()];
  return names.map((name, i) => {
    const tensor = trainable.indexOf(name);
    if (tensor < 0)
      throw invalid(`parameters[${i}]`, `a trainable tensor of ${run.name}`, JSON.stringify(name));
    return tensor;
  });
}

function* chunks(bytes: Uint8Array, size: number): Generator<{ offset: bigint; data: Buffer }> {
  const whole = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let offset = 0; offset < whole.byteLength; offset += size)
    yield { offset: BigInt(offset), data: whole.subarray(offset, offset + size) };
}

function toWireRun(run: Run, journalBytes: number): WireRun {
  const { record, state, size, history } = run;
  return {
    name: record.name,
    model: record.model,
    state: wireStates[state.kind],
    stateReason: state.kind === 'active' ? '' : state.error.message,
    revision: BigInt(history.head),
    trainable: size.trainable.length > 0 ? size.trainable.map(fromParameter) : record.trainable.map(unsized),
    noise: 'noise/1',
    table: fromTable(record.table),
    objective: fromObjective(record.objective),
    baseSha256: record.baseSha256,
    snapshots: history.snapshots.map((snapshot) => toWireSnapshot(run.name, snapshot)),
    journalBytes: BigInt(journalBytes),
    weightsBytes: BigInt(size.weightsBytes),
    copiesBytes: BigInt(size.copies?.bytes ?? 0),
    createTime: new Date(record.createTimeMs),
    forkedFrom: record.forkedFrom,
    objectiveSha256: record.objectiveSha256 ?? '',
    forkedRevision: BigInt(record.forkedRevision),
    ...fromAdditions(record),
  };
}

/** While the model has not been loaded since the server began, the journal has the names and no more. */
function unsized(name: string): WireParameter {
  return WireParameter.fromPartial({ name, trainable: true });
}

const wireStates = {
  active: RunState.RUN_STATE_ACTIVE,
  failed: RunState.RUN_STATE_FAILED,
  dormant: RunState.RUN_STATE_DORMANT,
} as const;

function toWireSnapshot(run: string, snapshot: { name: string; revision: number }): Snapshot {
  return { name: `${run}/snapshots/${snapshot.name}`, revision: BigInt(snapshot.revision) };
}
