// A copy in the process against the codec of the wire: nobody can tell which of them a message came through.
import { fromBinary } from '@bufbuild/protobuf';
import {
  type DescriptorProto,
  type FieldDescriptorProto,
  FieldDescriptorProto_Type as FieldType,
  FileDescriptorSetSchema,
} from '@bufbuild/protobuf/wkt';
import { describe, expect, test } from 'vitest';
import { toTensor } from '../../client/tensor.ts';
import { descriptorsBase64 } from '../../proto/gen/descriptors.ts';
import { Entry } from '../../proto/gen/zeroth/v1/journal_service.ts';
import { EvaluateResponse, StepRequest } from '../../proto/gen/zeroth/v1/oracle_service.ts';
import { CreateRunRequest } from '../../proto/gen/zeroth/v1/run_service.ts';
import { copied } from '../../server/rpc/copy.ts';
import { rowsOf } from './wire.ts';

const values = Float32Array.of(0, 1, 2, 3, 4, 5);
const x = toTensor(values.subarray(1, 5), [2, 2]);
const shifts = [
  { seed: 2n ** 64n - 1n, scale: -0 },
  { seed: 0n, scale: -1e-3 },
];
const inline = { source: { $case: 'inline', value: { tensors: { x, labels: x } } } } as const;

const messages = [
  [
    'a step',
    StepRequest,
    StepRequest.fromPartial({
      update: { run: 'runs/half \ud83d pair', shifts, requestId: '', expectedRevision: 0n },
      evaluate: {
        run: 'runs/\u{1F600}',
        points: [{ shifts }, {}],
        batch: rowsOf('datasets/a', 3, 0),
        outputs: ['y'],
      },
    }),
  ],
  ['tensors', StepRequest, StepRequest.fromPartial({ evaluate: { points: [{}], batch: inline } })],
  [
    'losses',
    EvaluateResponse,
    EvaluateResponse.fromPartial({
      results: [
        { loss: -0, perExampleLosses: [-0, 0, Number.NaN], outputs: { x }, perExampleTokens: [1n] },
        { loss: Number.NEGATIVE_INFINITY },
      ],
    }),
  ],
  [
    'an entry',
    Entry,
    Entry.fromPartial({
      change: { $case: 'regrid', value: { tensor: 1, exponent: -3 } },
      time: new Date(1_234_567),
      digest: Buffer.alloc(32, 7),
    }),
  ],
  ['a run', CreateRunRequest, CreateRunRequest.fromPartial({ lora: { rank: 4, alpha: -0, seed: 1n } })],
] as const;

describe('a copy', () => {
  test.each(messages)('of %s is what the wire would have brought', (_, codec, message) => {
    // Each is a codec of its own message.
    const { encode, decode } = codec as {
      encode(value: unknown): { finish(): Uint8Array };
      decode(bytes: Uint8Array): unknown;
    };
    expect(copied(message)).toStrictEqual(decode(Buffer.from(encode(message).finish())));
  });

  test('shares no memory, and has none but its own', () => {
    const message = StepRequest.fromPartial({ evaluate: { batch: inline } });
    const source = copied(message).evaluate?.batch?.source;
    const data = source?.$case === 'inline' ? source.value.tensors.x.data : undefined;
    expect(data?.buffer).not.toBe(values.buffer);
    expect(data?.buffer.byteLength).toBe(16);
  });

  test('need not round: no number of the contract is a float, which would be rounded on the wire', () => {
    const { file } = fromBinary(FileDescriptorSetSchema, Buffer.from(descriptorsBase64, 'base64'));
    const ours = file.filter((each) => each.package === 'zeroth.v1').flatMap((each) => each.messageType);
    const fields = ours.flatMap(fieldsOf);
    expect(fields.length).toBeGreaterThan(100);
    expect(fields.filter(({ type }) => type === FieldType.FLOAT)).toEqual([]);
  });
});

function fieldsOf({ field, nestedType }: DescriptorProto): FieldDescriptorProto[] {
  return [...field, ...nestedType.flatMap(fieldsOf)];
}
