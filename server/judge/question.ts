// What a client is asked to score, and what it answers: plain data.
import type { OutputSelection } from '../model/forward/output-selection.ts';
import type { PieceOfPoint } from '../worker/messages.ts';

/** What a client needs for its objective. */
export type Needs = {
  /** An empty name is the output that the objective names, or the model's only one. */
  readonly outputs: readonly OutputSelection[];
  /** Of the batch. */
  readonly tensors: readonly string[];
};

export type Question = {
  /** "runs/*" */
  readonly run: string;
  /** What "the head" meant. */
  readonly revision: number;
  readonly piece: PieceOfPoint;
  /** "datasets/*"; empty where the batch was sent along. */
  readonly dataset: string;
  readonly batchRows: number;
};

export type Score =
  /** One for each row. */
  | { readonly kind: 'losses'; readonly losses: readonly number[] }
  /** @param weight Within the evaluation; 0 means its rows. */
  | { readonly kind: 'mean'; readonly loss: number; readonly weight: number };

/** Whether outputs that were computed for the one are what the other needs. */
export function areAlike(a: Needs, b: Needs): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}

/** `outputs "logits" at 0, -1 as float16, tensors "labels", "x"` */
export function describeNeeds({ outputs, tensors }: Needs): string {
  const ofOutputs = outputs.map(({ name, positions, positionsFrom = '', dataType }) => {
    const of = positionsFrom === '' ? positions?.join(', ') : `"${positionsFrom}"`;
    const at = of === undefined ? '' : ` at ${of}`;
    return `"${name}"${at}${dataType === undefined ? '' : ` as ${dataType}`}`;
  });
  const ofTensors = tensors.map((name) => `"${name}"`).join(', ');
  return `outputs ${ofOutputs.join(', ')}, ${ofTensors === '' ? 'no tensors' : `tensors ${ofTensors}`}`;
}
