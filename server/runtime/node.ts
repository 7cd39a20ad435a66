// Sessions of onnxruntime-node on the CPU. A run blocks its thread, so this belongs in a worker.
import { InferenceSession, Tensor as OrtTensor } from 'onnxruntime-node';
import { invalid } from '../errors.ts';
import type { Tensor } from '../tensor.ts';
import { toOrtTensor, toTensor } from './convert.ts';
import { runError, sessionError } from './errors.ts';
import type { BoundWeight, Feeds, Forward, Session, SessionOptions } from './runtime.ts';

/** Errors reach the caller as exceptions; ONNX Runtime would also write them to stderr. */
const LOG_FATAL_ONLY = 4;

const RESTING = { intra_op: { allow_spinning: '0' } };
/** Within a run; between two runs the threads rest. */
const SPINNING = { intra_op: { allow_spinning: '1' }, force_spinning_stop: '1' };

/**
 * @param model An ONNX file, or its path: then it is never in our memory.
 * @throws ZerothError invalid-argument naming `options.field` where the runtime refuses the model.
 */
export async function createSession(model: Uint8Array | string, options: SessionOptions): Promise<Session> {
  const settings: InferenceSession.SessionOptions = {
    executionProviders: ['cpu'],
    intraOpNumThreads: options.threads,
    logSeverityLevel: LOG_FATAL_ONLY,
    extra: { session: options.spinning === true ? SPINNING : RESTING },
  };
  try {
    const session =
      typeof model === 'string'
        ? InferenceSession.create(model, settings)
        : InferenceSession.create(model, settings);
    return new NodeSession(await session);
  } catch (error) {
    throw sessionError(error, options.field ?? 'path');
  }
}

class NodeSession implements Session {
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly #session: InferenceSession;

  constructor(session: InferenceSession) {
    this.#session = session;
    this.inputs = session.inputNames;
    this.outputs = session.outputNames;
  }

  run(feeds: Feeds, outputs: readonly string[]): Promise<Record<string, Tensor>> {
    return this.#run({}, feeds, outputs);
  }

  /** The handles are made once: with hundreds of weights, making them costs more than a small run. */
  bind(weights: readonly BoundWeight[]): Forward {
    const bound = Object.fromEntries(
      weights.map(({ name, shape, view }) => [name, new OrtTensor('float32', view, [...shape])]),
    );
    return { run: (feeds, outputs) => this.#run(bound, feeds, outputs) };
  }

  release(): Promise<void> {
    return this.#session.release();
  }

  async #run(
    bound: Readonly<Record<string, OrtTensor>>,
    feeds: Feeds,
    outputs: readonly string[],
  ): Promise<Record<string, Tensor>> {
    for (const name of outputs) this.#checkOutput(name);
    const inputs = { ...bound };
    for (const [name, tensor] of Object.entries(feeds)) inputs[name] = toOrtTensor(tensor);
    let results: InferenceSession.OnnxValueMapType;
    try {
      results = await this.#session.run(inputs, [...outputs]);
    } catch (error) {
      throw runError(error);
    }
    return Object.fromEntries(outputs.map((name) => [name, this.#toTensor(name, results[name])]));
  }

  #checkOutput(name: string): void {
    if (!this.outputs.includes(name))
      throw invalid('outputs', `names of ${this.outputs.join(', ')}`, JSON.stringify(name));
  }

  #toTensor(name: string, value: InferenceSession.OnnxValueMapType[string]): Tensor {
    const tensor = value instanceof OrtTensor ? toTensor(value) : undefined;
    if (tensor === undefined) throw invalid('outputs', 'tensors of numbers', `${name}, which is none`);
    return tensor;
  }
}
