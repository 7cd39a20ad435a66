// Which of a run's tensors a decay is about. A client says it by patterns, the journal by indices.
import { invalid, ZerothError } from '../errors.ts';
import { matchesGlob } from '../model/graph/glob.ts';
import type { Parameter } from '../model/graph/graph.ts';
import type { Run } from './run.ts';

/** `*` stands for any characters, `?` for one; no include pattern means `*`. */
export type TensorPatterns = { readonly include: readonly string[]; readonly exclude: readonly string[] };

/** Of all patterns of a request: they are matched on the main thread, which takes so many times the letters of all names at most. */
const PATTERN_CHARACTERS_MAX = 1024;

/** Of a run's tensors, in an error. */
const HINTS_MAX = 3;

/** What was asked last of the tensors of a run: a training asks for the same with every step. */
const chosen = new WeakMap<readonly Parameter[], { readonly key: string; readonly tensors: number[] }>();

/**
 * Tensor indices, ascending.
 * @throws ZerothError naming the field below `path`, and what the run itself says where its model is not loaded.
 */
export function decayedTensors(run: Run, patterns: TensorPatterns, path: string): readonly number[] {
  if (run.state.kind === 'dormant') throw run.state.error;
  checkLength(patterns, path);
  const { trainable } = run.size;
  const key = JSON.stringify([patterns.include, patterns.exclude]);
  const last = chosen.get(trainable);
  if (last?.key === key) return last.tensors;
  const tensors = choose(run.name, trainable, patterns, path);
  chosen.set(trainable, { key, tensors });
  return tensors;
}

function choose(
  run: string,
  trainable: readonly Parameter[],
  { include, exclude }: TensorPatterns,
  path: string,
): number[] {
  const matches = (pattern: string, { name, alias = name }: Parameter) =>
    matchesGlob(pattern, name) || matchesGlob(pattern, alias);
  for (const [i, pattern] of include.entries()) {
    if (trainable.some((parameter) => matches(pattern, parameter))) continue;
    const expected = `a pattern that matches trainable tensors of ${run} (${someOf(trainable)})`;
    throw invalid(`${path}.include[${i}]`, expected, JSON.stringify(pattern));
  }
  const all = [...trainable.entries()];
  const included =
    include.length === 0 ? all : all.filter(([, each]) => include.some((pattern) => matches(pattern, each)));
  const left = included.filter(([, each]) => !exclude.some((pattern) => matches(pattern, each)));
  if (left.length > 0) return left.map(([tensor]) => tensor);
  const got = `patterns that match all ${included.length}`;
  throw invalid(`${path}.exclude`, 'patterns that leave an included tensor', got);
}

function checkLength({ include, exclude }: TensorPatterns, path: string): void {
  const characters = [...include, ...exclude].reduce((sum, pattern) => sum + pattern.length, 0);
  if (characters <= PATTERN_CHARACTERS_MAX) return;
  const expected = `at most ${PATTERN_CHARACTERS_MAX} characters in all`;
  const message = `${path}.include, exclude: expected ${expected}, got ${characters}`;
  throw new ZerothError('invalid-argument', message, { field: `${path}.include` });
}

function someOf(trainable: readonly Parameter[]): string {
  const names = trainable.slice(0, HINTS_MAX).map(({ name, alias = name }) => alias);
  return [...names, ...(trainable.length > HINTS_MAX ? ['...'] : [])].join(', ');
}
