// What ONNX Runtime's errors, which are text, mean to a caller.
import { expect, test } from 'vitest';
import { allocationError, deviceError, runError, sessionError } from '../../server/runtime/errors.ts';

const meanings = {
  session: (error: unknown) => sessionError(error, 'path'),
  run: runError,
  device: deviceError,
  allocation: (error: unknown) => allocationError(error, 4, 'a magnitude'),
};

const texts = {
  'memory of the host': 'Failed to allocate memory for requested buffer of size 83886080000',
  'memory of CUDA': 'CUDA failure 2: out of memory ; GPU=0 ; expr=cudaMalloc((void**)&p, size);',
  'memory of cuBLAS':
    'CUBLAS failure 3: CUBLAS_STATUS_ALLOC_FAILED ; GPU=0 ; expr=cublasCreate(&cublas_handle_);',
  'memory of WebGPU':
    'WebGPU validation failed. [Invalid Buffer (unlabeled)] is invalid due to a previous error.',
};

const outOfMemory = Object.entries(texts).flatMap(([what, text]) =>
  Object.keys(meanings).map((when) => ({ what, text, when: when as keyof typeof meanings })),
);

test.each(outOfMemory)('$what that ran out in a $when is no fault of the request', ({ text, when }) => {
  expect(meanings[when](new Error(text))).toMatchObject({
    kind: 'exhausted',
    message: expect.stringMatching(/^no memory/),
  });
});

test.each(Object.entries(meanings))('a device that was lost in a %s is told', (_, meaning) => {
  expect(meaning(new Error('WebGPU device lost (1): adapter reset'))).toMatchObject({
    kind: 'unavailable',
    details: { reason: 'DEVICE_LOST' },
  });
});
