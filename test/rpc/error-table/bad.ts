// A row of the table of errors, and what several of its files say again and again.
import type { Zeroth } from '../../../client/client.ts';
import { toTensor } from '../../../client/tensor.ts';
import { type Fixture, INPUTS } from '../../support/fixture-server.ts';
import { near, shift } from '../wire.ts';

/** Of the tiny model, at revision 1, which request id "first" made. */
export const RUN = 'runs/table';

export type Bad = {
  readonly what: string;
  readonly call: (zeroth: Zeroth, fixture: Fixture) => Promise<unknown>;
  readonly code: string;
  /** The code again, where there is no other. */
  readonly reason?: string;
  readonly field?: string;
  /** What is not there, is taken, or is in use. */
  readonly resource?: string;
  readonly message: string | RegExp;
};

export function inline(tensors: Record<string, ReturnType<typeof toTensor>>) {
  return { source: { $case: 'inline', value: { tensors } } };
}

/** Zeros. */
export function x(rows: number, inputs = INPUTS) {
  return toTensor(new Float32Array(rows * inputs), [rows, inputs]);
}

export function labels(...values: number[]) {
  return toTensor(BigInt64Array.from(values, BigInt), [values.length]);
}

export function evaluate(zeroth: Zeroth, batch: unknown, more: object = {}) {
  return zeroth.oracle.evaluate({ run: RUN, points: [near()], batch, ...more } as never);
}

export function update(zeroth: Zeroth, more: object) {
  return zeroth.oracle.update({ run: RUN, shifts: [shift(1n, 1e-3)], ...more } as never);
}
