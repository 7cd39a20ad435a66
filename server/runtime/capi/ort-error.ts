// An error of ONNX Runtime's C API: its code has a name, and the function that gave it is known.

/** OrtErrorCode of onnxruntime_c_api.h, in order. */
const codes = [
  'OK',
  'FAIL',
  'INVALID_ARGUMENT',
  'NO_SUCHFILE',
  'NO_MODEL',
  'ENGINE_ERROR',
  'RUNTIME_EXCEPTION',
  'INVALID_PROTOBUF',
  'MODEL_LOADED',
  'NOT_IMPLEMENTED',
  'INVALID_GRAPH',
  'EP_FAIL',
  'MODEL_LOAD_CANCELED',
  'MODEL_REQUIRES_COMPILATION',
  'NOT_FOUND',
] as const;

export type OrtErrorCode = (typeof codes)[number];

export class OrtError extends Error {
  readonly code: OrtErrorCode;
  /** The function of the C API. */
  readonly call: string;

  constructor(call: string, code: number, message: string) {
    super(message);
    this.name = 'OrtError';
    this.code = codes[code] ?? 'FAIL';
    this.call = call;
  }
}
