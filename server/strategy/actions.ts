// What a step asks of a run, taken apart: a snapshot of where it is, a decay, an update, each at most once and in this order, so that a run
// can do them as one piece.
import type { Action } from './strategy.ts';

type Of<Kind extends Action['kind']> = Extract<Action, { kind: Kind }>;

/** @throws Error (a bug of a strategy) where actions are more than that, or in another order. */
export function inOrder(actions: readonly Action[]): {
  readonly snapshot: Of<'snapshot'> | undefined;
  readonly decay: Of<'decay'> | undefined;
  readonly update: Of<'update'> | undefined;
} {
  const rest = [...actions];
  const take = <Kind extends Action['kind']>(kind: Kind) =>
    rest[0]?.kind === kind ? (rest.shift() as Of<Kind>) : undefined;
  const [snapshot, decay, update] = [take('snapshot'), take('decay'), take('update')];
  if (rest.length === 0) return { snapshot, decay, update };
  const got = actions.map(({ kind }) => kind).join(', ');
  throw new Error(`actions: expected a snapshot, a decay and an update, in this order, got ${got}`);
}
