// `zeroth apply`: the tuned model from the model that a run began with and the run's journal, bit for bit, without a server.
import { readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { ZerothError } from './errors.ts';
import { additionsOf } from './journal/journal.ts';
import { type PortableJournal, readPortable } from './journal/portable.ts';
import { checkFits, initialValues, withWeights } from './model/promote.ts';
import { HostWeights } from './weights/host.ts';
import { CopyAccount, WeightsBudget } from './worker/budget.ts';
import type { ExportFormat } from './worker/messages.ts';
import { ModelFile } from './worker/model-file.ts';
import { chooseTrainable, mergedFile, toRunGraph, weightsFile } from './worker/run-graph.ts';
import { Seat } from './worker/seat.ts';

const HELP = `usage: zeroth apply --model FILE --journal FILE --out FILE [--merged | --safetensors]

Makes the tuned model (ONNX) from the model that a run began with and its journal, as ExportRun gives it
with the format JOURNAL. Weights are those of the run, bit for bit, or there is an error.

  --model FILE     the run's model, unchanged
  --journal FILE   the run's journal
  --out FILE       where the tuned model goes
  --merged         adapters (LoRA) go into the weights instead of staying beside them
  --safetensors    what was trained, alone, as safetensors: of a model that is too large for one ONNX file too
`;

/** @returns the exit code. */
export function apply(args: string[]): number {
  const { values } = parseArgs({
    args,
    options: {
      model: { type: 'string' },
      journal: { type: 'string' },
      out: { type: 'string' },
      merged: { type: 'boolean', default: false },
      safetensors: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  const { model, journal, out, merged, safetensors } = values;
  const isClear = !(merged && safetensors);
  if (values.help || model === undefined || journal === undefined || out === undefined || !isClear) {
    (values.help ? process.stdout : process.stderr).write(HELP);
    return values.help ? 0 : 2;
  }
  const format = safetensors ? 'safetensors' : merged ? 'onnx-merged' : 'onnx';
  const { file, revision, weightsSha256 } = applied(model, readPortable(read(journal)), format);
  writeWhole(out, file);
  process.stdout.write(`${out}: revision ${revision}, weights ${weightsSha256}\n`);
  return 0;
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
