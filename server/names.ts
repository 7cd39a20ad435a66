// Resource names, as they are on the wire and in the journal.
import { randomBytes } from 'node:crypto';
import { invalid } from './errors.ts';

const ID = /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/;
const RULE = '1 to 63 lower-case letters, digits and hyphens, no hyphen at either end';

export type Collection = 'models' | 'datasets' | 'runs' | 'studies';

/** @throws ZerothError naming `field` where `name` is not `collection/id`. */
export function checkName(name: string, collection: Collection, field: string): string {
  const [first, id, ...rest] = name.split('/');
  const idIsWell = collection === 'datasets' ? /^[0-9a-f]{64}$/.test(id ?? '') : ID.test(id ?? '');
  if (first !== collection || !idIsWell || rest.length > 0)
    throw invalid(field, `a name of the form "${collection}/*"`, JSON.stringify(name));
  return name;
}

/** @throws ZerothError naming `field` where `name` is not `runs/id/snapshots/id`. */
export function checkSnapshotName(name: string, field: string): { run: string; id: string } {
  const [runs, run, snapshots, id, ...rest] = name.split('/');
  const isWell = runs === 'runs' && snapshots === 'snapshots' && ID.test(run ?? '') && ID.test(id ?? '');
  if (!isWell || rest.length > 0)
    throw invalid(field, 'a name of the form "runs/*/snapshots/*"', JSON.stringify(name));
  return { run: `runs/${run}`, id };
}

/** @throws ZerothError naming `field` where `name` is not `runs/id/trainings/id`. */
export function checkTrainingName(name: string, field: string): string {
  const [runs, run, trainings, id, ...rest] = name.split('/');
  const isWell = runs === 'runs' && trainings === 'trainings' && ID.test(run ?? '') && ID.test(id ?? '');
  if (!isWell || rest.length > 0)
    throw invalid(field, 'a name of the form "runs/*/trainings/*"', JSON.stringify(name));
  return name;
}

/** @throws ZerothError naming `field`. */
export function checkId(id: string, field: string): string {
  if (!ID.test(id)) throw invalid(field, RULE, JSON.stringify(id));
  return id;
}

/** The nearest id to a file's name: `My Model.onnx` becomes `my-model`. */
export function toId(fileName: string): string {
  const id = fileName
    .toLowerCase()
    .replace(/\.onnx$/, '')
    .replace(/[^a-z0-9]+/g, '-')
    .slice(0, 63)
    .replace(/^-+|-+$/g, '');
  return id === '' ? 'model' : id;
}

export function randomId(prefix: string): string {
  return `${prefix}-${randomBytes(6).toString('hex')}`;
}
