// What prompts and prefixes start from.
import { type TensorProto, TensorProto_DataType } from '../../../proto/gen/onnx/onnx.ts';
import { invalid } from '../../errors.ts';
import { elementTypeName } from '../../onnx/element-types.ts';
import type { ExternalFiles } from '../graph/external.ts';
import { shapeOf } from '../graph/initializers.ts';
import { drawUniform } from './draw.ts';
import { numbersOf } from './lora-values.ts';
import type { Lookup } from './prompt-lookup.ts';

const DOMAINS = { prompt: 0x70726d74, prefix: 0x70726678 } as const;

/** Of what Lester et al. (section 3.2) start prompts from at random. */
const BOUND = 0.5;

export type FirstTokens = {
  readonly seed: bigint;
  /** Which of the run's tensors of this kind. */
  readonly tensor: number;
  readonly length: number;
};

/** Uniform within +-0.5. */
export function firstTokens(kind: keyof typeof DOMAINS, first: FirstTokens): Float32Array {
  return drawUniform(BOUND, { ...first, domain: DOMAINS[kind] });
}

const BYTES: Readonly<Record<number, number>> = {
  [TensorProto_DataType.FLOAT]: 4,
  [TensorProto_DataType.FLOAT16]: 2,
};

/**
 * The embeddings of these tokens, [tokens, width], exactly as the table has them.
 * @throws ZerothError invalid-argument on `prompt.init_tokens` where there is no such token, or the table holds other numbers.
 */
export function embeddingsOf(
  { table, isTransposed, vocabulary, width }: Lookup,
  files: ExternalFiles | undefined,
  tokens: readonly number[],
): Float32Array {
  const field = 'prompt.init_tokens';
  const wrong = tokens.findIndex((token) => token < 0 || token >= vocabulary);
  if (wrong !== -1)
    throw invalid(`${field}[${wrong}]`, `a token from 0 to ${vocabulary - 1}`, String(tokens[wrong]));
  if (BYTES[table.dataType ?? 0] === undefined) {
    const got = `"${table.name}" of ${elementTypeName(table.dataType ?? 0)}`;
    throw invalid(field, 'embeddings of float32 or float16 to begin with', got);
  }
  const values = new Float32Array(tokens.length * width);
  if (!isTransposed)
    for (const [i, token] of tokens.entries()) values.set(numbersOf(rowOf(table, token), files), i * width);
  else {
    const all = numbersOf(table, files);
    for (let i = 0; i < values.length; i++)
      values[i] = all[(i % width) * vocabulary + tokens[Math.floor(i / width)]];
  }
  return values;
}

/** One row of a matrix as a tensor of its own, which is read where it lies. */
function rowOf(table: TensorProto, row: number): TensorProto {
  const width = shapeOf(table)[1];
  const bytes = width * BYTES[table.dataType ?? 0];
  const part = <T>(values: T[]) => values.slice(row * width, (row + 1) * width);
  const entries = new Map(table.externalData.map(({ key = '', value = '' }) => [key, value]));
  const place = { offset: Number(entries.get('offset') ?? 0) + row * bytes, length: bytes };
  for (const [key, value] of Object.entries(place)) entries.set(key, String(value));
  return {
    ...table,
    dims: [1n, BigInt(width)],
    floatData: part(table.floatData),
    int32Data: part(table.int32Data),
    rawData: table.rawData?.subarray(row * bytes, (row + 1) * bytes),
    externalData: table.externalData.length === 0 ? [] : [...entries].map(([key, value]) => ({ key, value })),
  };
}
