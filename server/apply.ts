// `zeroth apply`: the tuned model from the model that a run began with and the run's journal, bit for bit, without a server.
import { readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { ZerothError } from './errors.ts';
import { additionsOf } from './journal/journal.ts';
import { type PortableJournal, readPortable } from './journal/portable.ts';
import { checkFits, initialValues, withWeights } from './model/graph/promote.ts';
import { HostWeights } from './weights/host.ts';
import { CopyAccount, WeightsBudget } from './worker/budget.ts';
import type { ExportFormat } from './worker/messages.ts';
import { ModelFile } from './worker/model-file.ts';
import { chooseTrainable, mergedFile, toRunGraph, weightsFile } from './worker/run-graph.ts';
import { Seat } from './worker/seat.ts';

export type ApplyRequest = {
  /** Files. */
  readonly model: string;
  readonly journal: string;
  readonly out: string;
  readonly format: ExportFormat;
};

/** Writes the file. @throws ZerothError where weights, model or journal are not those of the run; nothing is written then. */
export function applyJournal({ model, journal, out, format }: ApplyRequest) {
  const { file, revision, weightsSha256 } = applied(model, readPortable(read(journal)), format);
  writeWhole(out, file);
  return { revision, bytes: file.length, weightsSha256 };
}

/** @throws ZerothError data-loss where the model is another one, or other weights come out. */
function applied(path: string, { header, changes }: PortableJournal, format: ExportFormat) {
  using file = ModelFile.read(path);
  if (format !== 'safetensors') checkFits(file.graph);
  expectSame('the model of the run', header.modelSha256, file.sha256);
  const additions = additionsOf(header);
  const adapted = toRunGraph(file.graph, additions);
  const trainable = chooseTrainable(adapted, { kind: 'names', names: header.trainable });
  const weights = new HostWeights(trainable, header.table);
  const baseValues = () => trainable.map(({ name }) => initialValues(adapted.graph, name));
  const copies = new CopyAccount(WeightsBudget.of(0));
  const seat = new Seat({ weights, baseValues, copies, snapshotWayMax: Number.POSITIVE_INFINITY });
  expectSame('base weights', header.baseSha256, seat.digestAt(0));
  seat.extend(changes);
  const weightsSha256 = seat.digestAt(header.revision);
  expectSame('tuned weights', header.weightsSha256, weightsSha256);
  const values = new Map(trainable.map(({ name }, tensor) => [name, weights.read(tensor)]));
  const tuned = {
    safetensors: () => weightsFile(trainable, values),
    'onnx-merged': () => mergedFile(file.graph, additions, values),
    onnx: () => withWeights(adapted.graph, values),
  };
  return { file: tuned[format](), revision: header.revision, weightsSha256 };
}

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new ZerothError('invalid-argument', `journal: expected a file, got ${reason}`, {
      field: 'journal',
    });
  }
}

/** Either all of it is there, or none. */
function writeWhole(path: string, bytes: Uint8Array): void {
  const partial = `${path}.${process.pid}.partial`;
  try {
    writeFileSync(partial, bytes);
    renameSync(partial, path);
  } catch (error) {
    rmSync(partial, { force: true });
    throw error;
  }
}

function expectSame(what: string, expected: string, got: string): void {
  if (expected !== got)
    throw new ZerothError('data-loss', `${what}: expected SHA-256 ${expected}, got ${got}`);
}
