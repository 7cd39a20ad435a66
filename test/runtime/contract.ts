// What holds of every implementation of Runtime.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ModelProto } from '../../proto/gen/onnx/onnx.ts';
import type { Runtime, Session } from '../../server/runtime/runtime.ts';
import { type DataType, elementBytes, type Tensor } from '../../server/tensor.ts';
import { fixture, float32, floats, int64, message, smallMlp } from '../model/models.ts';

/** What every way to ONNX Runtime on the CPU keeps. */
export function keepsTheContract(name: string, open: () => Runtime): void {
  describe(`${name}: keeps the contract of a runtime`, () => {
    let runtime: Runtime;
    beforeAll(() => {
      runtime = open();
    });
    afterAll(() => runtime.close());
    const createSession: Runtime['createSession'] = (...args) => runtime.createSession(...args);
    readsWeights(createSession);
    passesTensors(createSession);
    refuses(createSession);
  });
}

type CreateSession = Runtime['createSession'];

function readsWeights(createSession: CreateSession): void {
  describe('weights in WebAssembly memory', () => {
    let session: Session;
    beforeAll(async () => {
      session = await createSession(matMul());
    });
    afterAll(() => session.release());

    test('a weight changed between two runs is seen by the second: nothing is copied', async () => {
      const memory = new WebAssembly.Memory({ initial: 1, maximum: 1 });
      const value = new Float32Array(memory.buffer, 64, 6);
      value.set([1, 0, 0, 1, 0, 0]);
      const bound = session.bind([{ name: 'w', shape: [3, 2], value }]);
      const feeds = { x: float32([1, 3], [2, 3, 4]) };
      expect([...floats((await bound.run(feeds, ['y'])).y)]).toEqual([2, 3]);
      new Float32Array(memory.buffer)[16] = 10;
      expect([...floats((await bound.run(feeds, ['y'])).y)]).toEqual([20, 3]);
    });

    test('one session serves several sets of weights', async () => {
      const weights = [1, 2].map((each) => ({
        name: 'w',
        shape: [3, 2],
        value: new Float32Array(6).fill(each),
      }));
      const [one, two] = weights.map((each) => session.bind([each]));
      const feeds = { x: float32([1, 3], [1, 1, 1]) };
      expect([...floats((await one.run(feeds, ['y'])).y)]).toEqual([3, 3]);
      expect([...floats((await two.run(feeds, ['y'])).y)]).toEqual([6, 6]);
      expect([...floats((await one.run(feeds, ['y'])).y)]).toEqual([3, 3]);
    });
  });
}

function passesTensors(createSession: CreateSession): void {
  describe('tensors', () => {
    test.each(Object.keys(elementBytes) as DataType[])(
      '%s goes in and comes out, bit for bit',
      async (type) => {
        const session = await createSession(identity(type));
        const data = new Uint8Array(6 * elementBytes[type]).map((_, i) => (type === 'bool' ? i % 2 : i));
        const x: Tensor = { dataType: type, shape: [2, 3], data };
        expect(await session.run({ x }, ['y'])).toEqual({ y: x });
        // Where a message begins inside another one, so do its bytes.
        const misaligned = new Uint8Array(data.byteLength + 1).subarray(1);
        misaligned.set(data);
        expect(await session.run({ x: { ...x, data: misaligned } }, ['y'])).toEqual({ y: x });
        await session.release();
      },
    );

    test('only the outputs that were asked for are returned', async () => {
      const session = await createSession(fixture('sklearn-mlp'));
      expect(session.inputs).toEqual(['X']);
      expect(session.outputs).toEqual(['label', 'probabilities']);
      const X = float32([2, 4], [1, 2, 3, 4, 5, 6, 7, 8]);
      expect(Object.keys(await session.run({ X }, ['label']))).toEqual(['label']);
      await session.release();
    });
  });
}

function refuses(createSession: CreateSession): void {
  describe('what ONNX Runtime refuses', () => {
    const RUN = "ZerothError: batch: expected tensors that the model can run on, got ONNX Runtime's error:";
    let session: Session;
    beforeAll(async () => {
      session = await createSession(matMul());
    });
    afterAll(() => session.release());

    const w = float32([3, 2], [0, 0, 0, 0, 0, 0]);
    test.each([
      [
        'a wrong dimension',
        { x: float32([1, 4], [0, 0, 0, 0]), w },
        'Got invalid dimensions for input: x for the following indices index: 1 Got: 4 Expected: 3',
      ],
      ['a wrong rank', { x: float32([3], [0, 0, 0]), w }, 'Invalid rank for input: x Got: 1 Expected: 2'],
      [
        'a wrong type',
        { x: int64([1, 3], [0, 0, 0]), w },
        'Unexpected input data type. Actual: (tensor(int64)) , expected: (tensor(float))',
      ],
      ['a missing input', { x: float32([1, 3], [0, 0, 0]) }, "input 'w' is missing in 'feeds'."],
    ])('%s is the caller’s to mend', async (_, feeds: Record<string, Tensor>, expected) => {
      expect(await message(() => session.run(feeds, ['y']))).toBe(`${RUN} ${expected}`);
      await expect(session.run(feeds, ['y'])).rejects.toMatchObject({ kind: 'invalid-argument' });
    });

    test('an operator that fails is named, its source file is not', async () => {
      const open = await createSession(matMul({ free: true }));
      const feeds = { x: float32([1, 4], [0, 0, 0, 0]), w };
      expect(await message(() => open.run(feeds, ['y']))).toBe(
        `${RUN} Non-zero status code returned while running MatMul node. Name:'' Status Message: Compute MatMul dimension mismatch`,
      );
      await open.release();
    });

    test('an output that is not there', async () => {
      const feeds = { x: float32([1, 3], [0, 0, 0]), w };
      expect(await message(() => session.run(feeds, ['z']))).toBe(
        'ZerothError: outputs: expected names of y, got "z"',
      );
    });

    test('an output that is no tensor', async () => {
      const logistic = await createSession(fixture('sklearn-logistic'));
      const feeds = { X: float32([1, 4], [0, 0, 0, 0]) };
      expect(await message(() => logistic.run(feeds, ['output_probability']))).toMatch(/^ZerothError: /);
      await logistic.release();
    });

    test('a model with an operator that nobody knows', async () => {
      const model = ModelProto.decode(smallMlp());
      model.graph!.node[1].opType = 'Nope';
      const file = ModelProto.encode(model).finish();
      expect(await message(() => createSession(file))).toBe(
        'ZerothError: path: expected a model that ONNX Runtime can run, got its error: This is an invalid model. In Node, ("relu", Nope, "", -1) : ("fc1.out": tensor(float),) -> ("relu.out",) , Error No Op registered for Nope with domain_version of 17',
      );
    });

    test('no model at all, by the name of its field', async () => {
      const options = { field: 'trainable' };
      expect(await message(() => createSession(Uint8Array.of(1, 2, 3), options))).toBe(
        'ZerothError: trainable: expected a model that ONNX Runtime can run, got its error: Failed to load model because protobuf parsing failed.',
      );
    });

    test('a run after the release is a fault of ours', async () => {
      const released = await createSession(matMul());
      await released.release();
      const feeds = { x: float32([1, 3], [0, 0, 0]), w };
      expect(await message(() => released.run(feeds, ['y']))).toBe(
        'ZerothError: ONNX Runtime: Session already disposed.',
      );
      await expect(released.run(feeds, ['y'])).rejects.toMatchObject({ kind: 'internal' });
    });
  });
}

/** y = x w with x [n, 3] (or free) and w [3, 2]. */
function matMul({ free = false } = {}): Uint8Array {
  const columns = free ? { dimParam: 'm' } : { dimValue: 3n };
  return model(
    [{ opType: 'MatMul', input: ['x', 'w'], output: ['y'] }],
    [value('x', 1, [{ dimParam: 'n' }, columns]), value('w', 1, [{ dimValue: 3n }, { dimValue: 2n }])],
  );
}

function identity(type: DataType): Uint8Array {
  const code = 1 + ONNX_ORDER.indexOf(type);
  const dim = [{ dimParam: 'n' }, { dimValue: 3n }];
  const nodes = [{ opType: 'Identity', input: ['x'], output: ['y'] }];
  return model(nodes, [value('x', code, dim)], code);
}

/** Element types by their numbers in ONNX, from 1; 8 is strings. */
const ONNX_ORDER: readonly string[] =
  'float32 uint8 int8 uint16 int16 int32 int64 string bool float16 float64 uint32 uint64'.split(' ');

type Value = { name: string; type: object };

function value(name: string, elemType: number, dim: object[]): Value {
  return { name, type: { tensorType: { elemType, shape: { dim } } } };
}

function model(node: object[], input: Value[], elemType = 1): Uint8Array {
  const output = [{ name: 'y', type: { tensorType: { elemType } } }];
  const graph = { name: 'test', node, input, output };
  return ModelProto.encode(
    ModelProto.fromPartial({ irVersion: 8n, opsetImport: [{ domain: '', version: 17n }], graph }),
  ).finish();
}
