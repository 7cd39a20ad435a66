// Names of what a server has: completed where the kind is left out, and what there is near one that is not there.
import type { Zeroth } from '../client.ts';
import { ZerothCallError } from '../errors.ts';

type Kind = 'models' | 'runs' | 'datasets';

/** `first` for `runs/first`. */
export function fullName(kind: Kind, name: string): string {
  return name.includes('/') ? name : `${kind}/${name}`;
}

/** `mezo` of `runs/first/trainings/mezo`. */
export function idOf(name: string): string {
  return name.slice(name.lastIndexOf('/') + 1);
}

/** `runs/first` of `runs/first/trainings/mezo`. */
export function runOf(name: string): string {
  return name.split('/').slice(0, 2).join('/');
}

/** `runs/first/trainings/mezo`, not `runs/first`. */
export function isTrainingName(name: string): boolean {
  return name.split('/').length > 2;
}

const SHOWN_MAX = 5;

/** @returns a sentence, where the error says that something is not there. */
export async function nearestTo(zeroth: Zeroth, error: unknown): Promise<string | undefined> {
  if (!(error instanceof ZerothCallError) || error.code !== 'NOT_FOUND') return undefined;
  const { resource = '' } = error.details;
  const [kind, id, inner] = resource.split('/');
  try {
    if (inner === 'snapshots') return namesOf(await snapshotNames(zeroth, `runs/${id}`), resource, inner);
    if (inner === 'trainings') return namesOf(await trainingNames(zeroth, `runs/${id}`), resource, inner);
    if (kind !== 'models' && kind !== 'runs' && kind !== 'datasets') return undefined;
    const all: AsyncIterable<{ readonly name: string }> = zeroth[kind].list();
    return namesOf(await Array.fromAsync(all, ({ name }) => name), resource, kind);
  } catch {
    // The first error is the one to tell of.
    return undefined;
  }
}

async function snapshotNames(zeroth: Zeroth, run: string): Promise<string[]> {
  return (await zeroth.runs.get(run)).snapshots.map(({ name }) => name);
}

async function trainingNames(zeroth: Zeroth, run: string): Promise<string[]> {
  return Array.fromAsync(zeroth.trainings.list({ run }), ({ name }) => name);
}

function namesOf(names: readonly string[], wanted: string, kind: string): string {
  if (names.length === 0) return `there are no ${kind} on this server`;
  const near = nearest(names, wanted).slice(0, SHOWN_MAX);
  const rest = names.length - near.length;
  return `there is ${near.join(', ')}${rest === 0 ? '' : `, and ${rest} more`}`;
}

/** All of them, the most alike first. */
export function nearest(names: readonly string[], wanted: string): string[] {
  return names
    .map((name) => ({ name, far: distance(name, wanted) }))
    .sort((a, b) => a.far - b.far)
    .map(({ name }) => name);
}

/** Levenshtein's, row by row. */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 0; i < a.length; i++) {
    const next = [i + 1];
    for (let j = 0; j < b.length; j++)
      next.push(Math.min(next[j] + 1, row[j + 1] + 1, row[j] + (a[i] === b[j] ? 0 : 1)));
    row = next;
  }
  return row[b.length];
}
