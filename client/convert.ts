// Strategies' words to those of the wire.
import type { Batch, Point as WirePoint } from '../proto/gen/zeroth/v1/common.ts';
import type { Anchor, Point } from '../server/shift.ts';

/** Snapshots are named within the run. */
export function toWirePoint(run: string, { anchor, shifts }: Point): WirePoint {
  return { from: toFrom(run, anchor), shifts: [...shifts] };
}

function toFrom(run: string, anchor: Anchor): WirePoint['from'] {
  switch (anchor.kind) {
    case 'head':
      return undefined;
    case 'revision':
      return { $case: 'anchor', value: { at: { $case: 'revision', value: BigInt(anchor.revision) } } };
    case 'snapshot':
      return {
        $case: 'anchor',
        value: { at: { $case: 'snapshot', value: `${run}/snapshots/${anchor.name}` } },
      };
  }
}

/** Rows of a dataset; without rows, all of them. */
export function toBatch(dataset: string, rows?: readonly number[]): Batch {
  const selection = rows && ({ $case: 'rows', value: { indices: rows.map(BigInt) } } as const);
  return { source: { $case: 'dataset', value: { dataset, selection } } };
}
