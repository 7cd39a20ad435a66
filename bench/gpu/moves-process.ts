// Started by moves.ts: `node moves-process.ts MODEL DEVICE ROUNDS`. Moves the weights of a model where they lie and copies them
// there, in turn; answers with a message a round.
import { readFileSync } from 'node:fs';
import { ModelProto } from '../../proto/gen/onnx/onnx.ts';
import { elementTypeOf } from '../../server/onnx/element-types.ts';
import { CApiRuntime } from '../../server/runtime/capi/capi.ts';
import type { DeviceName } from '../../server/runtime/runtime.ts';
import { elementCount } from '../../server/tensor.ts';
import { DeviceWeights } from '../../server/weights/device.ts';
import { openMovers } from '../../server/weights/self-test.ts';
import type { Move, WeightSpec } from '../../server/weights/weights.ts';

const FLOAT32 = elementTypeOf('float32');
const WARM_UP_ROUNDS = 3;
const BLOCK_MS = 200;
const SCALE = 1e-4;
const UPDATE_SCALE = 1e-6;

/** Milliseconds over all weights. */
export type MoveRound = {
  /** A device copy of so many bytes as one piece, twice in a round. */
  readonly copy: number;
  readonly again: number;
  /** By directions whose hash words are on the device. */
  readonly one: number;
  readonly two: number;
  /** The moves of a MeZO step, its new direction's hash words included. */
  readonly step: number;
  readonly bytes: number;
};

const [path, device, rounds] = process.argv.slice(2);
const runtime = CApiRuntime.open({ device: device as DeviceName, threads: 1, hasMemory: true });
const memory = runtime.memory!;
const weights = new DeviceWeights(specsOf(path), openMovers(memory, 'gaussian', device));
for (const [tensor, { shape }] of weights.specs.entries())
  weights.load(tensor, new Float32Array(elementCount(shape)).fill(1 / 64));
const [from, to] = [1, 2].map(() =>
  memory.allocate(weights.bytes, 'a copy').tensor('uint8', [weights.bytes]),
);

const sizes = weights.specs.map(({ shape }) => elementCount(shape));
const smallest = sizes.indexOf(Math.min(...sizes));

let sign = 1;
let seed = 1n;

/** There and, the next time, back: what is moved stays where it is on average. */
function move(directions: number): void {
  sign = -sign;
  weights.move(Array.from({ length: directions }, (_, i) => shift(BigInt(i), sign)));
}

/** From -eps z to the update and +eps z of the next step, and on to -eps z. */
function step(): void {
  const last = seed++;
  weights.move([shift(last, 1), { seed: last, scale: UPDATE_SCALE, times: 1 }, shift(seed, 1)]);
  weights.move([shift(seed, -2)]);
}

function shift(of: bigint, times: number): Move {
  return { seed: of, scale: SCALE, times };
}

const work = {
  copy: () => memory.copy(from, to),
  one: () => move(1),
  two: () => move(2),
  step,
};
const counts = { copy: 1, one: 1, two: 1, step: 1 };

/** Milliseconds of one time; the device takes work without doing it at once, and reading from it waits for all that came before. */
function time(name: keyof typeof work): number {
  const start = performance.now();
  for (let i = 0; i < counts[name]; i++) work[name]();
  weights.peek(smallest);
  return (performance.now() - start) / counts[name];
}

for (let round = -WARM_UP_ROUNDS; round < Number(rounds); round++) {
  const figures = {
    copy: time('copy'),
    one: time('one'),
    two: time('two'),
    step: time('step'),
    again: time('copy'),
  };
  if (round >= 0) process.send!({ ...figures, bytes: weights.bytes } satisfies MoveRound);
  else
    for (const name of Object.keys(counts) as (keyof typeof counts)[])
      counts[name] = Math.max(1, Math.round(BLOCK_MS / figures[name]));
}

/** Of the model's float32 initializers; those without a dimension are constants. */
function specsOf(file: string): WeightSpec[] {
  return ModelProto.decode(readFileSync(file))
    .graph!.initializer.filter(({ dataType, dims }) => dataType === FLOAT32 && dims.length > 0)
    .map(({ name, dims }) => ({ name: name!, shape: dims.map(Number) }));
}
