// A multilayer perceptron as an ONNX graph, and its gradient as another: backpropagation written by hand.
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { normals } from '../../examples/normals.ts';
import { GraphWriter } from '../../server/onnx/graph-writer.ts';
import { miniBatches } from '../../server/strategy/batches.ts';

/** By layer: weight [outputs, inputs] and bias [outputs]. */
export type Layer = {
  readonly inputs: number;
  readonly outputs: number;
  readonly weight: Float32Array<ArrayBuffer>;
  readonly bias: Float32Array<ArrayBuffer>;
};

const OPSET = 17;

/** Weights are normally distributed, as He has them before a ReLU; biases are zero. */
export function randomLayers(widths: readonly number[], seed: number): Layer[] {
  const draw = normals(seed);
  return widths.slice(1).map((outputs, i) => {
    const inputs = widths[i];
    const weight = Float32Array.from({ length: outputs * inputs }, () => draw() * Math.sqrt(2 / inputs));
    return { inputs, outputs, weight, bias: new Float32Array(outputs) };
  });
}

/** `x` [n, inputs] to `logits` [n, outputs]: linear layers with ReLU between them, as an ONNX file. */
export function perceptron(layers: readonly Layer[]): Uint8Array {
  const graph = new GraphWriter(OPSET);
  for (const [i, { inputs, outputs, weight, bias }] of layers.entries()) {
    graph.initializer(`fc${i}.weight`, [outputs, inputs], weight);
    graph.initializer(`fc${i}.bias`, [outputs], bias);
  }
  const { logits } = forward(graph, layers);
  graph.add('Identity', [logits], {}, 'logits');
  graph.output('logits', ['n', layers[layers.length - 1].outputs]);
  return graph.finish();
}

/** The values that go into each layer, and the scores. */
function forward(graph: GraphWriter, layers: readonly Layer[]) {
  let value = graph.input('x', ['n', layers[0].inputs], 'float32');
  const into: string[] = [];
  for (const i of layers.keys()) {
    if (i > 0) value = graph.add('Relu', [value]);
    into.push(value);
    value = graph.add('Gemm', [value, `fc${i}.weight`, `fc${i}.bias`], { transB: 1 });
  }
  return { into, logits: value };
}

/**
 * The cross-entropy of a softmax, summed over rows, by `x` and one-hot `y` [n, outputs]: with p the softmax,
 * delta = p - y at the last layer; d weight = delta' h, d bias = the sum of delta over rows, and
 * delta = (delta weight) * [h > 0] for the layer before.
 */
function gradientGraph(layers: readonly Layer[]): Uint8Array {
  const graph = new GraphWriter(OPSET);
  for (const [i, { inputs, outputs }] of layers.entries()) {
    graph.input(`fc${i}.weight`, [outputs, inputs], 'float32');
    graph.input(`fc${i}.bias`, [outputs], 'float32');
  }
  const { into, logits } = forward(graph, layers);
  const last = layers[layers.length - 1].outputs;
  const y = graph.input('y', ['n', last], 'float32');
  let delta = graph.add('Sub', [graph.add('Softmax', [logits], { axis: 1 }), y]);
  const axes = graph.constant([0]);
  for (let i = layers.length - 1; i >= 0; i--) {
    graph.add('Gemm', [delta, into[i]], { transA: 1 }, `fc${i}.weight.gradient`);
    graph.add('ReduceSum', [delta, axes], { keepdims: 0 }, `fc${i}.bias.gradient`);
    graph.output(`fc${i}.weight.gradient`, [layers[i].outputs, layers[i].inputs]);
    graph.output(`fc${i}.bias.gradient`, [layers[i].outputs]);
    if (i === 0) break;
    const isOpen = graph.cast(graph.add('Greater', [into[i], graph.constant(0)]), 'float32');
    delta = graph.add('Mul', [graph.add('MatMul', [delta, `fc${i}.weight`]), isOpen]);
  }
  graph.add('Identity', [logits], {}, 'logits');
  graph.output('logits', ['n', last]);
  return graph.finish();
}

export type Rows = { readonly rows: number; readonly x: Float32Array; readonly labels: BigInt64Array };

/** Some rows, in this order. */
export function pick({ rows, x, labels }: Rows, chosen: readonly number[]): Rows {
  const width = x.length / rows;
  const picked = new Float32Array(chosen.length * width);
  for (const [i, row] of chosen.entries()) picked.set(x.subarray(row * width, (row + 1) * width), i * width);
  return {
    rows: chosen.length,
    x: picked,
    labels: BigInt64Array.from(chosen, (row) => labels[row]),
  };
}

/** A perceptron that is trained by gradients, in plain float32, outside of the server. */
export class GradientDescent {
  readonly layers: readonly Layer[];
  readonly #session: InferenceSession;

  private constructor(layers: readonly Layer[], session: InferenceSession) {
    this.layers = layers;
    this.#session = session;
  }

  /** @param layers stay as they are. */
  static async open(layers: readonly Layer[]): Promise<GradientDescent> {
    const own = layers.map((each) => ({ ...each, weight: each.weight.slice(), bias: each.bias.slice() }));
    const session = await InferenceSession.create(gradientGraph(own), { intraOpNumThreads: 1 });
    return new GradientDescent(own, session);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#session.release();
  }

  /** weights -= learningRate times the gradient of the mean cross-entropy of these rows. */
  async step(batch: Rows, learningRate: number): Promise<void> {
    const results = await this.#run(batch);
    for (const [i, { weight, bias }] of this.layers.entries()) {
      subtract(weight, results[`fc${i}.weight.gradient`], learningRate / batch.rows);
      subtract(bias, results[`fc${i}.bias.gradient`], learningRate / batch.rows);
    }
  }

  /** [rows, outputs], row-major. */
  async logits(batch: Rows): Promise<Float32Array> {
    return (await this.#run(batch)).logits.data as Float32Array;
  }

  #run({ rows, x, labels }: Rows) {
    const { outputs } = this.layers[this.layers.length - 1];
    const y = new Float32Array(rows * outputs);
    for (let row = 0; row < rows; row++) y[row * outputs + Number(labels[row])] = 1;
    const feeds: Record<string, Tensor> = {
      x: new Tensor('float32', x, [rows, this.layers[0].inputs]),
      y: new Tensor('float32', y, [rows, outputs]),
    };
    for (const [i, layer] of this.layers.entries()) {
      feeds[`fc${i}.weight`] = new Tensor('float32', layer.weight, [layer.outputs, layer.inputs]);
      feeds[`fc${i}.bias`] = new Tensor('float32', layer.bias, [layer.outputs]);
    }
    return this.#session.run(feeds);
  }
}

function subtract(values: Float32Array, { data }: { readonly data: unknown }, factor: number): void {
  const gradient = data as Float32Array;
  for (let i = 0; i < values.length; i++) values[i] -= factor * gradient[i];
}

export type PretrainOptions = {
  readonly widths: readonly number[];
  readonly seed: number;
  readonly epochs: number;
  readonly batchSize: number;
  readonly learningRate: number;
};

/** A network that knows something already: gradient descent on mini-batches, from random weights. */
export async function pretrain(rows: Rows, options: PretrainOptions): Promise<readonly Layer[]> {
  const { widths, seed, epochs, batchSize, learningRate } = options;
  await using network = await GradientDescent.open(randomLayers(widths, seed));
  const rowsOf = miniBatches({ rows: rows.rows, batchSize, seed: BigInt(seed) });
  const steps = epochs * Math.floor(rows.rows / batchSize);
  for (let step = 0; step < steps; step++) await network.step(pick(rows, rowsOf(step)), learningRate);
  return network.layers;
}
