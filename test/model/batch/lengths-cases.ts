// Rows of different lengths, evaluated without padding and with it.
import { expect } from 'vitest';
import { openBatch } from '../../../server/model/batch/batch.ts';
import type { BatchSource } from '../../../server/model/batch/columns.ts';
import type { MicroBatchLimits } from '../../../server/model/batch/parts.ts';
import { type Evaluation, evaluate } from '../../../server/model/forward/evaluate.ts';
import { outputsWithoutPadding } from '../../../server/model/forward/padding.ts';
import { findObjective } from '../../../server/model/objective/objectives.ts';
import type { Forward } from '../../../server/runtime/runtime.ts';
import type { Tensor } from '../../../server/tensor.ts';
import { CLASSES, VOCABULARY } from '../adapter/masked-encoder.ts';
import { int64, type Promoted } from '../models.ts';

export const WIDTH = 24;
export const LENGTHS = [5, 24, 1, 11, 5, 17, 2, 8, 23, 3, 9, 14, 6];
export const ROWS = LENGTHS.length;

/** One pass, as far as the limits go. */
export const ROOMY = { rowsPerMicroBatchMax: 100, tokensPerMicroBatchMax: 10_000 };

export type Row = { readonly mask: readonly number[]; readonly label?: number };

/** Tokens, then padding, of id 0. */
export function row(length: number, label?: number): Row {
  return { mask: Array.from({ length: WIDTH }, (_, i) => (i < length ? 1 : 0)), ...(label && { label }) };
}

export function tensorsOf(rows: readonly Row[], mask = 'attention_mask'): Record<string, Tensor> {
  const entries = rows.flatMap((each) => each.mask);
  const ids = entries.map((entry, i) => (entry === 0 ? 0 : 1 + ((i * 7) % (VOCABULARY - 1))));
  return {
    input_ids: int64([rows.length, WIDTH], ids),
    [mask]: int64([rows.length, WIDTH], entries),
    labels: int64(
      [rows.length],
      rows.map(({ label }, i) => label ?? i % CLASSES),
    ),
  };
}

export function inline(named: Record<string, Tensor>): BatchSource {
  return { kind: 'inline', tensors: new Map(Object.entries(named)) };
}

export function dataset(named: Record<string, Tensor>, indices: readonly number[]): BatchSource {
  const columns = Object.entries(named).map(([name, { dataType, shape, data }]) => {
    const shared = new SharedArrayBuffer(data.byteLength);
    new Uint8Array(shared).set(data);
    return [name, { spec: { name, dataType, shape }, data: shared }] as const;
  });
  return { kind: 'dataset', columns: new Map(columns), rows: { kind: 'rows', indices } };
}

export const unsorted = inline(tensorsOf(LENGTHS.map((length) => row(length))));

/** [rows, tokens] of every forward pass. */
export type Passes = [rows: number, tokens: number][];

export type Ask = {
  readonly source?: BatchSource;
  readonly limits?: Partial<MicroBatchLimits>;
  readonly outputs?: readonly string[];
};

/** As the worker does it, all at once; the passes are those of the evaluation, without the trial. */
export async function scored(
  model: Promoted,
  ask: Ask = {},
): Promise<Evaluation & { readonly passes: Passes }> {
  const forward = model.session.bind(model.weights);
  const { source = unsorted, limits, outputs = [] } = ask;
  const batch = openBatch(source, model.graph.inputs, '', { ...ROOMY, ...limits });
  const cuttable = await withoutPadding(model);
  const isCut = ['logits', ...outputs].every((name) => cuttable.includes(name));
  const passes: Passes = [];
  const recorded: Forward = {
    run(feeds, names) {
      const [rows, tokens] = Object.values(feeds)[0].shape;
      passes.push([rows, tokens]);
      return forward.run(feeds, names);
    },
  };
  const objective = findObjective('cross_entropy');
  const options = { objective, output: 'logits', perExample: true, outputs, replyBytesMax: 1e6, isCut };
  return { ...(await evaluate(recorded, batch, options)), passes };
}

export async function withoutPadding({ session, weights, graph }: Promoted): Promise<string[]> {
  return [...(await outputsWithoutPadding(session.bind(weights), graph.inputs, graph.outputs)).rows];
}

/** The same with padding, all rows in one pass. */
export async function padded(model: Promoted, source = unsorted): Promise<Evaluation> {
  const forward = model.session.bind(model.weights);
  const objective = findObjective('cross_entropy');
  const outputs = ['logits', 'tokens'];
  return evaluate(forward, openBatch(source, model.graph.inputs, '', ROOMY), {
    objective,
    output: 'logits',
    perExample: true,
    outputs,
    replyBytesMax: 1e6,
    isCut: false,
  });
}

export function expectClose(got: Evaluation, wanted: Evaluation): void {
  expect(got.examples).toBe(wanted.examples);
  expect(relativeDifference([got.loss], [wanted.loss])).toBeLessThan(1e-6);
  expect(relativeDifference(got.perExampleLosses!, wanted.perExampleLosses!)).toBeLessThan(1e-6);
}

export function relativeDifference(got: ArrayLike<number>, wanted: ArrayLike<number>): number {
  expect(got.length).toBe(wanted.length);
  return Math.max(...Array.from(wanted, (value, i) => Math.abs(got[i] - value) / Math.abs(value)));
}

export function tokensIn(passes: Passes): number {
  return passes.reduce((sum, [rows, tokens]) => sum + rows * tokens, 0);
}
