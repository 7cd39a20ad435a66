// Nodes that put something in front of the tokens of every row. Their operators are those that ONNX Runtime has on every device, but that
// WebGPU leaves integers of 64 bits to the host, as it does for the model's own.
import type { TensorSpec } from '../../tensor.ts';
import { NodeWriter } from '../graph/node-writer.ts';
import type { GraphIndex } from '../graph/rewrite.ts';

export class FrontWriter extends NodeWriter {
  readonly #ids: string;
  readonly #tokens: number;
  #rows: string | undefined;

  /** @param prefix of the names of nodes. */
  constructor(index: GraphIndex, prefix: string, ids: string, tokens: number) {
    super(index, prefix);
    this.#ids = ids;
    this.#tokens = tokens;
  }

  /** The same for every row: [...] to [rows, ...], or [1, ...] to that. @param rank of the result. */
  forEachRow(value: string, rank: number): string {
    this.#rows ??= this.add('Gather', [this.add('Shape', [this.#ids]), this.int64([1], 0)]);
    const ones = this.int64([rank - 1], ...new Array<number>(rank - 1).fill(1));
    return this.add('Expand', [value, this.add('Concat', [this.#rows, ones], { axis: 0 })]);
  }

  /** An input [rows, sequence] with a number, or one for each place, in front of each row. */
  lengthen({ name, dataType }: TensorSpec, numberAt: (place: number) => number, from = name): string {
    const numbers = Array.from({ length: this.#tokens }, (_, place) => numberAt(place));
    const row = this.cast(this.int64([1, this.#tokens], ...numbers), dataType);
    return this.add('Concat', [this.forEachRow(row, 2), from], { axis: 1 });
  }

  /** Positions that begin where those of the tokens in front end. */
  moveOn({ name, dataType }: TensorSpec): string {
    return this.add('Add', [name, this.cast(this.int64([], this.#tokens), dataType)]);
  }

  /** [rows, tokens + sequence, ...] to [rows, sequence, ...], along each of these axes. */
  behind(value: string, axes: readonly number[], output?: string): string {
    const each = (of: number) => this.int64([axes.length], ...axes.map(() => of));
    const [starts, ends] = [each(this.#tokens), each(Number.MAX_SAFE_INTEGER)];
    return this.add('Slice', [value, starts, ends, this.int64([axes.length], ...axes)], {}, output);
  }
}
