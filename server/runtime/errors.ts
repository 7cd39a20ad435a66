// ONNX Runtime's errors are text; what they mean to a caller is told by how they begin.
import { ZerothError } from '../errors.ts';

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

const OUT_OF_MEMORY = /Failed to allocate memory|bad_alloc/;

/** @param field The request field that named the model. */
export function sessionError(error: unknown, field: string): ZerothError {
  const text = shorten(error);
  const message = `${field}: expected a model that ONNX Runtime can run, got its error: ${text}`;
  return new ZerothError('invalid-argument', message, { field }, error);
}

export function runError(error: unknown): ZerothError {
  const text = shorten(error);
  if (OUT_OF_MEMORY.test(text))
    return new ZerothError('exhausted', `no memory for the forward pass: ${text}`, {}, error);
  if (!ABOUT_TENSORS.test(text)) return new ZerothError('internal', `ONNX Runtime: ${text}`, {}, error);
  const message = `batch: expected tensors that the model can run on, got ONNX Runtime's error: ${text}`;
  return new ZerothError('invalid-argument', message, { field: 'batch' }, error);
}

/** One line, without paths, source positions and advice on C++. */
function shorten(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  const line = text
    .replaceAll(/(?:\/[\w.+-]+){2,}/g, '')
    .replaceAll(/\S*\.(?:h|cc|cpp|hpp):\d+ /g, '')
    .replaceAll('Please fix either the inputs/outputs or the model.', '')
    .replaceAll(/\s+/g, ' ')
    .trim();
  return line.length > TEXT_LENGTH_MAX ? `${line.slice(0, TEXT_LENGTH_MAX)}...` : line;
}
