// What a client is asked to score, and what it answers: plain data.
import type { OutputSelection } from '../model/output-selection.ts';
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
