// What a step has the run do, as one piece: at most a snapshot of where it is, and then a change: a decay, an update, or both.
import { decayedTensors } from '../run/decayed-tensors.ts';
import type { ChangeRequest } from '../run/requests.ts';
import type { Run } from '../run/run.ts';
import { inOrder } from '../strategy/actions.ts';
import type { Action } from '../strategy/strategy.ts';

export type Settlement = {
  /** As the strategy calls it; at the head before the change. */
  readonly snapshot: string | undefined;
  readonly change: ChangeRequest | undefined;
};

type Conditions = { readonly requestId: string; readonly expectedRevision: number };

/** @throws ZerothError where a decay leaves no tensor of the run. */
export function settlementOf(run: Run, actions: readonly Action[], conditions: Conditions): Settlement {
  const { snapshot, decay, update } = inOrder(actions);
  if (decay === undefined && update === undefined) return { snapshot: snapshot?.name, change: undefined };
  const tensors = decay && decayedTensors(run, { include: [], exclude: decay.exclude }, 'decay');
  const change = {
    kind: 'shifts',
    ...(decay && { decay: { factor: decay.factor, seed: decay.seed, tensors: tensors! } }),
    // -0 is no number of its own on the wire, and the same training has to leave the same journal everywhere.
    shifts: (update?.shifts ?? []).map(({ seed, scale }) => ({ seed, scale: scale + 0 })),
  } as const;
  return {
    snapshot: snapshot?.name,
    change: { change, ...conditions, measuredAtRevision: undefined, stalenessMax: 0 },
  };
}
