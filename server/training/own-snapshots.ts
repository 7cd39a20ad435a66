// The snapshots of a training's strategy, by names of their own: another training of the run, or a client that drives the same strategy, moves
// those of the strategy's name, and an anchor's gradient means nothing at somebody else's anchor.
import { createHash } from 'node:crypto';
import type { Run } from '../run/run.ts';
import type { Point } from '../shift.ts';

/** Of an id on the wire. */
const LENGTH_MAX = 63;

export class OwnSnapshots {
  readonly #suffix: string;

  /** @param id of the training, within its run. */
  constructor(id: string) {
    this.#suffix = `-of-${id}`;
  }

  /** What the run calls the snapshot that the strategy calls `name`. */
  nameOf(name: string): string {
    const whole = `${name}${this.#suffix}`;
    if (whole.length <= LENGTH_MAX) return whole;
    return `${name}-${createHash('sha256').update(whole).digest('hex').slice(0, 24)}`;
  }

  pointOf({ anchor, shifts }: Point): Point {
    if (anchor.kind !== 'snapshot') return { anchor, shifts };
    return { anchor: { kind: 'snapshot', name: this.nameOf(anchor.name) }, shifts };
  }

  /** Nothing needs them any more: behind a decay they may cost a copy of the weights. */
  async drop(run: Run, strategy: string): Promise<void> {
    const name = this.nameOf(strategy);
    if (run.history.snapshots.some((snapshot) => snapshot.name === name)) await run.deleteSnapshot(name);
  }
}
