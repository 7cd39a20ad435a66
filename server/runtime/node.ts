// Sessions of onnxruntime-node on the CPU. A run blocks its thread, so this belongs in a worker; and it cannot be ended early.
import { InferenceSession, Tensor as OrtTensor } from 'onnxruntime-node';
import { invalid } from '../errors.ts';
import type { Tensor } from '../tensor.ts';
import { toOrtTensor, toTensor } from './convert.ts';
import { checkOutputs, runError, sessionError } from './errors.ts';
import type {
  BoundForward,
  BoundWeight,
  Feeds,
  Runtime,
  RuntimeOptions,
  Session,
  SessionOptions,
} from './runtime.ts';

/** Errors reach the caller as exceptions; ONNX Runtime would also write them to stderr. */
const LOG_FATAL_ONLY = 4;

const RESTING = { intra_op: { allow_spinning: '0' } };
/** Within a run; between two runs the threads rest. */
const SPINNING = { intra_op: { allow_spinning: '1' }, force_spinning_stop: '1' };

export class NodeRuntime implements Runtime {
  readonly device = 'cpu';
  readonly memory = undefined;
  readonly #options: RuntimeOptions;

  constructor(options: RuntimeOptions) {
    this.#options = options;
  }

  async createSession(
    model: Uint8Array | string,
    { field = 'path', folder }: SessionOptions = {},
  ): Promise<Session> {
    const settings: InferenceSession.SessionOptions = {
      executionProviders: ['cpu'],
      intraOpNumThreads: this.#options.threads,
      logSeverityLevel: LOG_FATAL_ONLY,
      extra: {
        session: {
          ...(this.#options.spinning === true ? SPINNING : RESTING),
          ...(folder !== undefined && { model_external_initializers_file_folder_path: folder }),
        },
      },
    };
    try {
      const session =
        typeof model === 'string'
          ? InferenceSession.create(model, settings)
          : InferenceSession.create(model, settings);
      return new NodeSession(await session);
    } catch (error) {
      throw sessionError(error, field);
    }
  }

  close(): void {}
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
  bind(weights: readonly BoundWeight[]): BoundForward {
    const bound = Object.fromEntries(
      weights.map(({ name, shape, value }) => [name, new OrtTensor('float32', onHost(value), [...shape])]),
    );
    return { run: (feeds, outputs) => this.#run(bound, feeds, outputs), [Symbol.dispose]: () => undefined };
  }

  release(): Promise<void> {
    return this.#session.release();
  }

  async #run(
    bound: Readonly<Record<string, OrtTensor>>,
    feeds: Feeds,
    outputs: readonly string[],
  ): Promise<Record<string, Tensor>> {
    checkOutputs(outputs, this.outputs);
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

  #toTensor(name: string, value: InferenceSession.OnnxValueMapType[string]): Tensor {
    const tensor = value instanceof OrtTensor ? toTensor(value) : undefined;
    if (tensor === undefined) throw invalid('outputs', 'tensors of numbers', `${name}, which is none`);
    return tensor;
  }
}

function onHost(value: BoundWeight['value']): Float32Array {
  if (value instanceof Float32Array) return value;
  throw new Error('onnxruntime-node: expected weights in the memory of the host');
}
