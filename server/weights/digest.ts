// SHA-256 over the weights of a run, tensor by tensor.
import { createHash } from 'node:crypto';
import type { Weights } from './weights.ts';

/** Bytes that are hashed at a time: Node's hashes take less than 2^31. */
const PIECE_BYTES = 2 ** 26;

/** Over the tensors in order, little-endian float32 (the order of bytes of every machine that Node.js runs on); hexadecimal. */
export function digestOf(weights: Weights): string {
  const hash = createHash('sha256');
  for (const tensor of weights.specs.keys()) {
    const { buffer, byteOffset, byteLength } = weights.peek(tensor);
    for (let at = 0; at < byteLength; at += PIECE_BYTES)
      hash.update(new Uint8Array(buffer, byteOffset + at, Math.min(PIECE_BYTES, byteLength - at)));
  }
  return hash.digest('hex');
}
