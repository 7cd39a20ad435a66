// What a step has the run do, as one piece: at most a snapshot of where it is, and then a change.
import type { ChangeRequest } from '../run/requests.ts';
import type { Action } from '../strategy/strategy.ts';

export type Settlement = {
  /** By its id; at the head before the change. */
  readonly snapshot: string | undefined;
  readonly change: ChangeRequest | undefined;
};

type Conditions = { readonly requestId: string; readonly expectedRevision: number };

/** @throws Error (a bug of a strategy) where actions are more than that, or in another order. */
export function settlementOf(actions: readonly Action[], conditions: Conditions): Settlement {
  const rest = [...actions];
  const snapshot = rest[0]?.kind === 'snapshot' ? rest.shift() : undefined;
  const update = rest[0]?.kind === 'update' ? rest.shift() : undefined;
  if (rest.length > 0)
    throw new Error(`expected a snapshot, then an update; got ${actions.map(({ kind }) => kind).join(', ')}`);
  return {
    snapshot: snapshot?.kind === 'snapshot' ? snapshot.name : undefined,
    change:
      update?.kind === 'update'
        ? {
            change: { kind: 'shifts', shifts: update.shifts },
            ...conditions,
            measuredAtRevision: undefined,
            stalenessMax: 0,
          }
        : undefined,
  };
}
