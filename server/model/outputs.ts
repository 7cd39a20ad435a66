// Model outputs that a client asked to see, put together from micro-batches.
import { invalid, ZerothError } from '../errors.ts';
import { type Tensor, type TensorSpec, tensorBytes } from '../tensor.ts';
import type { MicroBatch } from './gather.ts';
import { describe } from './objective.ts';

/** @throws ZerothError naming `field` where the model has no such output. */
export function findOutput(outputs: readonly TensorSpec[], name: string, field: string): TensorSpec {
  const output = outputs.find((each) => each.name === name);
  if (output !== undefined) return output;
  const names = outputs.map((each) => `"${each.name}"`).join(', ');
  throw invalid(field, `a model output (${names})`, `"${name}"`);
}

/** Collects rows; the whole is allocated at the first of them, and refused there if it is too much. */
export class OutputCollector {
  readonly #names: readonly string[];
  readonly #rows: number;
  readonly #bytesMax: number;
  readonly #collected = new Map<string, Tensor>();

  constructor(names: readonly string[], rows: number, bytesMax: number) {
    this.#names = names;
    this.#rows = rows;
    this.#bytesMax = bytesMax;
  }

  add(outputs: Readonly<Record<string, Tensor>>, { rows, placeOf }: MicroBatch): void {
    if (this.#collected.size === 0) this.#allocate(outputs, rows);
    for (const [name, whole] of this.#collected) {
      const part = outputs[name];
      if (!haveRowsAlike(part, whole) || part.shape[0] !== rows) throw notByRow(name, rows, part);
      const rowBytes = whole.data.byteLength / this.#rows;
      for (let i = 0; i < rows; i++) {
        const row = part.data.subarray(i * rowBytes, (i + 1) * rowBytes);
        whole.data.set(row, placeOf(i) * rowBytes);
      }
    }
  }

  finish(): ReadonlyMap<string, Tensor> {
    return this.#collected;
  }

  #allocate(outputs: Readonly<Record<string, Tensor>>, rows: number): void {
    const wholes = this.#names.map((name) => {
      const { dataType, shape } = outputs[name];
      if (shape[0] !== rows) throw notByRow(name, rows, outputs[name]);
      return { name, dataType, shape: [this.#rows, ...shape.slice(1)] };
    });
    const bytes = wholes.reduce((sum, whole) => sum + tensorBytes(whole), 0);
    if (bytes > this.#bytesMax) throw tooLarge(bytes, this.#bytesMax);
    for (const { name, dataType, shape } of wholes)
      this.#collected.set(name, { dataType, shape, data: new Uint8Array(tensorBytes({ dataType, shape })) });
  }
}

function haveRowsAlike(part: Tensor, whole: Tensor): boolean {
  return (
    part.shape.length === whole.shape.length && part.shape.every((d, i) => i === 0 || d === whole.shape[i])
  );
}

function notByRow(name: string, rows: number, output: Tensor): ZerothError {
  return invalid('outputs', `"${name}" with a row for each of ${rows} examples`, describe(output));
}

function tooLarge(bytes: number, bytesMax: number): ZerothError {
  const message = `outputs: expected at most ${bytesMax} bytes a point, got ${bytes}; ask for fewer points, rows or outputs`;
  return new ZerothError('exhausted', message, { field: 'outputs' });
}
