// Model outputs that a client asked to see, put together from micro-batches.
import { invalid, ZerothError } from '../../errors.ts';
import { describe, type Tensor, type TensorSpec, tensorBytes } from '../../tensor.ts';
import type { MicroBatch } from '../batch/gather.ts';
import { findOutput } from '../objective/objective.ts';
import { chosen, type OutputSelection } from './output-selection.ts';

/**
 * Selections with the names of outputs.
 * @throws ZerothError naming the field where the model has no such output, or one is there twice.
 */
export function namedSelections(
  selections: readonly OutputSelection[],
  outputs: readonly TensorSpec[],
): readonly OutputSelection[] {
  const named = selections.map((selection) => {
    const { name, field } = selection;
    const output = name === '' && outputs.length === 1 ? outputs[0] : findOutput(outputs, name, field);
    return { ...selection, name: output.name };
  });
  const [first] = named.filter(({ name }, i) => named.findIndex((each) => each.name === name) !== i);
  if (first !== undefined) throw invalid(first.field, 'every output once', `"${first.name}" again`);
  return named;
}

export type Wanted = {
  /** With the names of outputs. */
  readonly selections: readonly OutputSelection[];
  /** Places in the batch, each once; undefined means all of them. */
  readonly places?: readonly number[] | undefined;
};

/** Collects rows; the whole is allocated at the first of them, and refused there if it is too much. */
export class OutputCollector {
  readonly #selections: readonly OutputSelection[];
  readonly #rows: number;
  /** Where a row of the batch goes, or -1. */
  readonly #slotOf: (place: number) => number;
  readonly #bytesMax: number;
  readonly #collected = new Map<string, Tensor>();

  /** @throws ZerothError where there is no such place in a batch of so many rows. */
  constructor({ selections, places }: Wanted, batchRows: number, bytesMax: number) {
    this.#selections = selections;
    this.#rows = places?.length ?? batchRows;
    this.#slotOf = places === undefined ? (place) => place : slotsOf(places, batchRows);
    this.#bytesMax = bytesMax;
  }

  add(outputs: Readonly<Record<string, Tensor>>, microBatch: MicroBatch): void {
    const { rows, placeOf } = microBatch;
    const parts = this.#selections.map((selection) => {
      const output = outputs[selection.name];
      if (output.shape[0] !== rows) throw notByRow(selection.name, rows, output);
      return [selection.name, chosen(output, selection, microBatch)] as const;
    });
    if (this.#collected.size === 0) this.#allocate(parts);
    for (const [name, part] of parts) {
      const whole = this.#collected.get(name)!;
      if (!haveRowsAlike(part, whole)) throw notByRow(name, rows, part);
      const rowBytes = part.data.byteLength / rows;
      for (let i = 0; i < rows; i++) {
        const slot = this.#slotOf(placeOf(i));
        if (slot >= 0) whole.data.set(part.data.subarray(i * rowBytes, (i + 1) * rowBytes), slot * rowBytes);
      }
    }
  }

  finish(): ReadonlyMap<string, Tensor> {
    return this.#collected;
  }

  #allocate(parts: readonly (readonly [string, Tensor])[]): void {
    const wholes = parts.map(([name, { dataType, shape }]) => {
      return { name, dataType, shape: [this.#rows, ...shape.slice(1)] };
    });
    const bytes = wholes.reduce((sum, whole) => sum + tensorBytes(whole), 0);
    if (bytes > this.#bytesMax) throw tooLarge(bytes, this.#bytesMax);
    for (const { name, dataType, shape } of wholes)
      this.#collected.set(name, { dataType, shape, data: new Uint8Array(tensorBytes({ dataType, shape })) });
  }
}

function slotsOf(places: readonly number[], rows: number): (place: number) => number {
  const slots = new Int32Array(rows).fill(-1);
  for (const [slot, place] of places.entries()) {
    const field = `output_rows[${slot}]`;
    if (!(place >= 0 && place < rows)) throw invalid(field, `a place from 0 to ${rows - 1}`, String(place));
    if (slots[place] >= 0) throw invalid(field, 'every place once', `${place} again`);
    slots[place] = slot;
  }
  return (place) => slots[place];
}

export function haveRowsAlike(part: Pick<Tensor, 'shape'>, whole: Pick<Tensor, 'shape'>): boolean {
  return (
    part.shape.length === whole.shape.length && part.shape.every((d, i) => i === 0 || d === whole.shape[i])
  );
}

export function notByRow(name: string, rows: number, output: Tensor): ZerothError {
  return invalid('outputs', `"${name}" with a row for each of ${rows} examples`, describe(output));
}

function tooLarge(bytes: number, bytesMax: number): ZerothError {
  const message = `outputs: expected at most ${bytesMax} bytes a point, got ${bytes}; ask for fewer points, rows or outputs`;
  return new ZerothError('exhausted', message, { field: 'outputs' });
}
