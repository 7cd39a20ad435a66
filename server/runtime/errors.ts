// ONNX Runtime's errors are text; what they mean to a caller is told by how they begin.
import { invalid, ZerothError } from '../errors.ts';

const TEXT_LENGTH_MAX = 300;

/** How a run complains of its tensors. A failing operator has met values or shapes it cannot take. */
const ABOUT_TENSORS = new RegExp(
  [
    '^Got invalid dimensions',
    '^Invalid rank',
    '^Unexpected input data type',
    "^input '.*' is missing",
    '^Non-zero status code',
  ].join('|'),
);

/** WebGPU tells of memory that it could not give only when it is used. */
const OUT_OF_MEMORY =
  /Failed to allocate memory|bad_alloc|is invalid due to a previous error|exceeds the max buffer size|STATUS_ALLOC_FAILED|out of memory/i;

const TERMINATED = /Exiting due to terminate flag/;

/** The adapter has gone: everything on it is lost, and nothing of this process can have another one. */
const DEVICE_LOST = /device (?:is |was )?lost/i;

/** @param field The request field that named the model. */
export function sessionError(error: unknown, field: string): ZerothError {
  const text = shorten(error);
  if (DEVICE_LOST.test(text)) return deviceLost(text, error);
  if (OUT_OF_MEMORY.test(text))
    return new ZerothError('exhausted', `no memory for the model: ${text}`, {}, error);
  const message = `${field}: expected a model that ONNX Runtime can run, got its error: ${text}`;
  return new ZerothError('invalid-argument', message, { field }, error);
}

export function runError(error: unknown): ZerothError {
  const text = shorten(error);
  if (TERMINATED.test(text)) return new ZerothError('cancelled', 'the caller has gone', {}, error);
  if (DEVICE_LOST.test(text)) return deviceLost(text, error);
  if (OUT_OF_MEMORY.test(text))
    return new ZerothError('exhausted', `no memory for the forward pass: ${text}`, {}, error);
  if (!ABOUT_TENSORS.test(text)) return new ZerothError('internal', `ONNX Runtime: ${text}`, {}, error);
  const message = `batch: expected tensors that the model can run on, got ONNX Runtime's error: ${text}`;
  return new ZerothError('invalid-argument', message, { field: 'batch' }, error);
}

/** Of work that no caller has a part in: weights that are moved or copied. */
export function deviceError(error: unknown): ZerothError {
  if (error instanceof ZerothError) return error;
  const text = shorten(error);
  if (DEVICE_LOST.test(text)) return deviceLost(text, error);
  if (OUT_OF_MEMORY.test(text))
    return new ZerothError('exhausted', `no memory on the device: ${text}`, {}, error);
  return new ZerothError('internal', `ONNX Runtime: ${text}`, {}, error);
}

/** Of memory that was asked for, whatever the device says of it. */
export function allocationError(error: unknown, bytes: number, what: string): ZerothError {
  const known = deviceError(error);
  if (known.kind === 'unavailable') return known;
  return new ZerothError('exhausted', `no memory on the device for ${what}: ${bytes} bytes`, {}, error);
}

function deviceLost(text: string, error: unknown): ZerothError {
  const message = `the device was lost: ${text}; restart the server, which brings every run back from its journal`;
  return new ZerothError('unavailable', message, { reason: 'DEVICE_LOST' }, error);
}

/** @throws ZerothError where a name is none of the session's outputs. */
export function checkOutputs(names: readonly string[], outputs: readonly string[]): void {
  for (const name of names)
    if (!outputs.includes(name))
      throw invalid('outputs', `names of ${outputs.join(', ')}`, JSON.stringify(name));
}

/** As onnxruntime-node puts it. */
export function missingInput(name: string): ZerothError {
  return runError(new Error(`input '${name}' is missing in 'feeds'.`));
}

/** One line, without folders, source positions and advice on C++. */
export function shorten(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  const line = text
    .replaceAll('Please fix either the inputs/outputs or the model.', '')
    // What a function of C++ was called is of no use: the reason stands behind it, and CUDA's behind its own name.
    .replace(/^.*(?=CUDA failure \d+:)/s, '')
    .replace(/^.*\[ONNXRuntimeError\] : \d+ : \w+ : /s, '')
    .replace(/^\/\S+\.(?:h|cc|cpp|hpp):\d+ .*?\)(?:::<lambda\(\)>)? (?=\S)/s, '')
    .replaceAll(/(?<![\w.])(?:\/[\w.+-]+)*\/(?=[\w.+-])/g, '')
    .replaceAll(/\S*\.(?:h|cc|cpp|hpp):\d+ /g, '')
    .replaceAll(/\s+/g, ' ')
    .trim();
  return line.length > TEXT_LENGTH_MAX ? `${line.slice(0, TEXT_LENGTH_MAX)}...` : line;
}
