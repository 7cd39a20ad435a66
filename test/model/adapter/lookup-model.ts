// Models that look token ids up, and nothing else.
import { readModel } from '../../../server/model/graph/graph.ts';
import { GraphWriter } from '../../../server/onnx/graph-writer.ts';
import type { DataType } from '../../../server/tensor.ts';

export const WIDTH = 3;
export const VOCABULARY = 5;
export const SEQUENCE = ['rows', 'sequence'];

export type Lookup = {
  readonly opset?: number;
  readonly ids?: readonly (number | string)[];
  readonly inputs?: readonly (readonly [string, readonly (number | string)[], DataType?])[];
  /** How ids get to the lookup. */
  readonly through?: string;
  readonly axis?: number;
};

/** A model that gives out what it makes of ids, and all else that it takes. */
export function lookup({ opset = 18, ids = SEQUENCE, inputs = [], through, axis = 0 }: Lookup = {}) {
  const writer = new GraphWriter(opset);
  const input = writer.input('input_ids', ids);
  const values = Float32Array.from({ length: VOCABULARY * WIDTH }, (_, i) => i);
  const weight = writer.initializer('embed.weight', [VOCABULARY, WIDTH], values);
  const tokens = through === undefined ? input : writer.add(through, [input]);
  writer.add('Gather', [weight, tokens], { axis }, 'states');
  writer.output('states', ['rows', 'sequence', WIDTH]);
  for (const [name, shape, dataType] of inputs) {
    writer.add('Identity', [writer.input(name, shape, dataType)], {}, `${name}.out`);
    writer.output(`${name}.out`, undefined, dataType ?? 'int64');
  }
  return readModel(writer.finish());
}
