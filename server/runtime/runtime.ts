// What the other rooms know of ONNX Runtime: a session, run on tensors of ours.
import type { Tensor } from '../tensor.ts';

/**
 * Weights where they lie: the runtime reads `view` at every run, without a copy, so that a weight
 * moved between two runs is seen by the second. The memory behind it must not grow: that would
 * detach the view.
 */
export type BoundWeight = {
  readonly name: string;
  readonly shape: readonly number[];
  readonly view: Float32Array;
};

export type Feeds = Readonly<Record<string, Tensor>>;

/** Something that runs forward, one call at a time; the thread is blocked meanwhile. */
export interface Forward {
  /**
   * @param outputs Names of the outputs to compute; the others are not.
   * @throws ZerothError invalid-argument where the model cannot run on these tensors.
   */
  run(feeds: Feeds, outputs: readonly string[]): Promise<Record<string, Tensor>>;
}

export interface Session extends Forward {
  /** Names of the inputs that a run has to bring, promoted weights among them. */
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  /** The same session with these inputs fixed: its runs bring the others only. */
  bind(weights: readonly BoundWeight[]): Forward;
  /** Once; no run may follow. */
  release(): Promise<void>;
}

export type SessionOptions = {
  /** Threads within one operator; 0 is one a core. */
  readonly threads: number;
  /**
   * Whether threads that wait within a run keep their core busy, to be there sooner: forward passes of an encoder are 4 to 7 %
   * faster with it (bench: step). Where several models share the cores it hurts: two sessions of two threads on two cores took
   * 20-45 % more processor time with it, and were slower (ORT.md, section 4).
   */
  readonly spinning?: boolean;
  /** The request field that names the model, for error messages. */
  readonly field?: string;
};
