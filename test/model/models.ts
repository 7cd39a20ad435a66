// Models that tests run: files of real exporters, and what is needed to run them.
import { readFileSync } from 'node:fs';
import { mlpModel } from '../../examples/mlp.ts';
import { type ModelGraph, type Parameter, readModel } from '../../server/model/graph/graph.ts';
import { initialValues, promote } from '../../server/model/graph/promote.ts';
import { selectTrainable } from '../../server/model/graph/select.ts';
import type { BoundWeight, Session } from '../../server/runtime/runtime.ts';
import { elementCount, type Tensor, type TensorSpec } from '../../server/tensor.ts';
import { createSession } from '../support/sessions.ts';

const DIRECTORY = new URL('../fixtures/models/', import.meta.url);

export const exported = [
  'helper-ir3',
  'sklearn-mlp',
  'torch-mlp',
  'torch-mlp-batch4',
  'torch-transformer',
  'torchscript-transformer',
];

export function fixture(name: string): Uint8Array {
  return new Uint8Array(readFileSync(new URL(name.includes('.') ? name : `${name}.onnx`, DIRECTORY)));
}

export function smallMlp(): Uint8Array {
  return mlpModel({ inputs: 4, hidden: 8, outputs: 3, seed: 1 });
}

export function tensor(dataType: Tensor['dataType'], shape: number[], values: ArrayBufferView): Tensor {
  return { dataType, shape, data: new Uint8Array(values.buffer, values.byteOffset, values.byteLength) };
}

export function float32(shape: number[], values: Iterable<number>): Tensor {
  return tensor('float32', shape, Float32Array.from(values));
}

export function int64(shape: number[], values: Iterable<number>): Tensor {
  return tensor('int64', shape, BigInt64Array.from([...values].map(BigInt)));
}

export function floats({ data }: Tensor): Float32Array {
  return new Float32Array(data.slice().buffer);
}

/** Rows that differ from each other, of whatever the input wants; ids stay below 20. */
export function rowsFor(input: TensorSpec, rows: number): Tensor {
  const shape = [rows, ...input.shape.slice(1)];
  const length = elementCount(shape);
  if (input.dataType === 'int64')
    return int64(
      shape,
      Array.from({ length }, (_, i) => (i * 7) % 20),
    );
  return float32(
    shape,
    Array.from({ length }, (_, i) => Math.sin(i * 1.7)),
  );
}

export type Promoted = {
  readonly graph: ModelGraph;
  readonly trainable: readonly Parameter[];
  readonly weights: readonly (BoundWeight & { readonly value: Float32Array })[];
  readonly session: Session;
};

/** A session whose weights are all inputs, beside the values that the file has for them. */
export async function promoted(model: Uint8Array, include: readonly string[] = []): Promise<Promoted> {
  const graph = readModel(model);
  const trainable = selectTrainable(graph, { include, exclude: [] });
  const names = trainable.map(({ name }) => name);
  const session = await createSession(promote(graph, names));
  const weights = trainable.map(({ name, shape }) => ({ name, shape, value: initialValues(graph, name) }));
  return { graph, trainable, weights, session };
}

export async function message(work: () => unknown): Promise<string> {
  try {
    await work();
  } catch (error) {
    return error instanceof Error ? `${error.name}: ${error.message}` : String(error);
  }
  return 'nothing was thrown';
}
