// A graph whose weights are drawn, one after the other.
import { GraphWriter } from '../server/onnx/graph-writer.ts';

export class RandomGraph extends GraphWriter {
  readonly #draw: () => number;

  constructor(opset: number, draw: () => number) {
    super(opset);
    this.#draw = draw;
  }

  weight(name: string, shape: readonly number[], around = 0): string {
    const length = shape.reduce((product, size) => product * size, 1);
    return this.initializer(
      name,
      shape,
      Float32Array.from({ length }, () => around + this.#draw()),
    );
  }
}
