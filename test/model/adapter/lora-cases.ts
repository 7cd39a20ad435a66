/// <reference lib="esnext.float16" />
// What tests of adapters share: models of real exporters, rows for them, adapters with values.
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import {
  type LoraAdapter,
  type LoraOptions,
  type WithLora,
  withLora,
} from '../../../server/model/adapter/lora.ts';
import { isPast } from '../../../server/model/batch/fill-in.ts';
import { type ModelGraph, readModel } from '../../../server/model/graph/graph.ts';
import { withWeights } from '../../../server/model/graph/promote.ts';
import type { Forward } from '../../../server/runtime/runtime.ts';
import { elementCount, type Tensor } from '../../../server/tensor.ts';
import { ModelFile } from '../../../server/worker/model-file.ts';
import { createSession } from '../../support/sessions.ts';
import { floats, int64, rowsFor } from '../models.ts';

const FIXTURES = new URL('../../fixtures/', import.meta.url);

/** Rank and alpha of MeZO's experiments are 8 and 16; these models are narrower. */
export const OPTIONS: LoraOptions = { rank: 2, alpha: 16, targets: [], seed: 7n };

/** Values from other files are in it, so that it can be run from anywhere. */
export function readFixture(name: string): ModelGraph {
  const paths = ['language', 'models'].map((folder) =>
    fileURLToPath(new URL(`${folder}/${name}.onnx`, FIXTURES)),
  );
  const { graph } = ModelFile.read(paths.find(existsSync)!);
  return graph.locations.length === 0 ? graph : readModel(fileOf(graph));
}

const TOKENS = 5;

/** Ids below 20, masks of ones, a past of this many tokens, and numbers that look random. */
function feedsOf({ inputs }: ModelGraph, past: number): Record<string, Tensor> {
  return Object.fromEntries(
    inputs.map((input) => {
      const { name, dataType } = input;
      const width = isPast(input) ? past : name.includes('mask') ? past + TOKENS : TOKENS;
      const shape = input.shape.map((size, i) => (size !== -1 ? size : i === 0 ? 3 : width));
      if (dataType === 'bool') return [name, { dataType, shape, data: Uint8Array.of(past > 0 ? 1 : 0) }];
      if (!name.includes('mask')) return [name, rowsFor({ ...input, shape }, shape[0])];
      return [name, int64(shape, new Array(elementCount(shape)).fill(1))];
    }),
  );
}

export async function outputOf(file: Uint8Array, graph: ModelGraph): Promise<Float32Array> {
  const session = await createSession(file);
  const output = await outputFrom(session, graph);
  await session.release();
  return output;
}

/** The first output that is of numbers with a fraction, whatever their type; with a past too, where there can be one. */
export async function outputFrom(forward: Forward, graph: ModelGraph): Promise<Float32Array> {
  const { name, dataType } = graph.outputs.find((output) => output.dataType.startsWith('float'))!;
  const numbers: number[] = [];
  for (const past of graph.inputs.some(isPast) ? [0, 4] : [0]) {
    const output = (await forward.run(feedsOf(graph, past), [name]))[name];
    numbers.push(...(dataType === 'float32' ? floats(output) : new Float16Array(output.data.slice().buffer)));
  }
  return Float32Array.from(numbers);
}

/** The file as it is read. */
export function fileOf(graph: ModelGraph): Uint8Array {
  return withWeights(graph, new Map());
}

/** Values of all adapters, of the size that training gives them, and the same every time. */
export function valuesOf(adapters: readonly LoraAdapter[]): Map<string, Float32Array> {
  const some = (length: number, from: number) =>
    Float32Array.from({ length }, (_, i) => Math.sin(from + i * 1.3) / 4);
  return new Map(
    adapters.flatMap(({ a, b, rank, inputs, outputs }, i) => [
      [a, some(rank * inputs, i)] as const,
      [b, some(rank * outputs, 100 + i)] as const,
    ]),
  );
}

/**
 * torch-transformer's adapters keep ONNX Runtime from fusing biases into SkipLayerNormalization, which rounds once less (2^-24 is
 * seen). The CPU computes float16 in float32 and rounds to float16 here and there: with adapters at all layers, not at queries and
 * values alone, at other places (2^-9 is seen).
 */
export const tolerances: Readonly<Record<string, number>> = {
  'torch-transformer': 2 ** -22,
  'roberta-classification-fp16': 2 ** -8,
};

export function adapted(
  name: string,
  options: Partial<LoraOptions> = {},
): WithLora & { original: ModelGraph } {
  const original = readFixture(name);
  return { original, ...withLora(original, { ...OPTIONS, ...options }) };
}

/** The largest difference, relative to the largest number. */
export function difference(a: Float32Array, b: Float32Array): number {
  const largest = a.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  return a.reduce((most, value, i) => Math.max(most, Math.abs(value - b[i])), 0) / largest;
}
