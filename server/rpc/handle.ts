// A point as text. The handle that Perturb returns is the point itself, pinned to a revision: the
// server keeps nothing for it, so there is nothing to release, to bound or to lose.
import { Point } from '../../proto/gen/zeroth/v1/common.ts';
import { invalid } from '../errors.ts';
import type { PinnedPoint } from '../worker/messages.ts';

/** `runs/*` and the encoded point, so that a handle of another run is told from a broken one. */
export function writeHandle(run: string, point: PinnedPoint): string {
  const at = { $case: 'revision', value: BigInt(point.revision) } as const;
  const wire = Point.encode({ from: { $case: 'anchor', value: { at } }, shifts: [...point.shifts] }).finish();
  return `${run}/points/${Buffer.from(wire).toString('base64url')}`;
}

/** @throws ZerothError naming `field`. */
export function readHandle(handle: string, run: string, field: string): PinnedPoint {
  const [, owner, encoded] = /^(runs\/[^/]+)\/points\/([\w-]+)$/.exec(handle) ?? [];
  if (owner === undefined) throw malformed(field, handle);
  if (owner !== run) throw invalid(field, `a handle of ${run}`, `one of ${owner}`);
  try {
    const { from, shifts } = Point.decode(Buffer.from(encoded, 'base64url'));
    if (from?.$case !== 'anchor' || from.value.at?.$case !== 'revision') throw malformed(field, handle);
    if (shifts.some((shift) => !Number.isFinite(shift.scale))) throw malformed(field, handle);
    return { revision: Number(from.value.at.value), shifts };
  } catch {
    throw malformed(field, handle);
  }
}

function malformed(field: string, handle: string) {
  return invalid(field, 'a handle that Perturb returned', JSON.stringify(handle.slice(0, 40)));
}
