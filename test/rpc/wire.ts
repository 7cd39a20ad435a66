// What tests of the wire say again and again.
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { toBatch } from '../../client/convert.ts';
import { ZerothCallError } from '../../client/errors.ts';
import type { Batch } from '../../proto/gen/zeroth/v1/common.ts';
import { tinyModel } from '../support/fixture-server.ts';

export type WireShift = { readonly seed: bigint; readonly scale: number };

export function shift(seed: bigint, scale = 1e-2): WireShift {
  return { seed, scale };
}

/** With the tiny model: takes two tensors over half their range, so that two regrids follow. */
export const REGRIDS = shift(5n, 2);
/** With the tiny model: takes fc1.bias out of its range. */
export const DIVERGES = shift(1n, 8);

/** The point `shifts` away from the head. */
export function near(...shifts: WireShift[]) {
  return { shifts };
}

export function atRevision(revision: bigint, ...shifts: WireShift[]) {
  const value = { at: { $case: 'revision', value: revision } } as const;
  return { from: { $case: 'anchor', value } as const, shifts };
}

export function atSnapshot(name: string, ...shifts: WireShift[]) {
  const value = { at: { $case: 'snapshot', value: name } } as const;
  return { from: { $case: 'anchor', value } as const, shifts };
}

export function atHandle(handle: string, ...shifts: WireShift[]) {
  return { from: { $case: 'handle', value: handle } as const, shifts };
}

export function everyRow(dataset: string): Batch {
  return toBatch(dataset);
}

export function rowsOf(dataset: string, ...rows: number[]): Batch {
  return toBatch(dataset, rows);
}

/** What a call that has to fail says. */
export async function refusal(call: Promise<unknown>) {
  const error = await call.then(
    (answer) => answer,
    (caught: unknown) => caught,
  );
  if (!(error instanceof ZerothCallError)) throw new Error(`expected a refusal, got ${String(error)}`);
  const { code, reason, message, details } = error;
  const { metadata, retryAfterMs, resource } = details;
  return { code, reason, message, metadata, retryAfterMs, resource };
}

/** The folders of a server process, with the tiny model to load. */
export async function prepareFolder(folder: string): Promise<void> {
  await mkdir(join(folder, 'models'));
  await writeFile(join(folder, 'models', 'mlp.onnx'), tinyModel());
}
