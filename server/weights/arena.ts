// Memory for tensors that a kernel works on and that a session reads where it lies.
import { ZerothError } from '../errors.ts';
import { Kernel, WEIGHTS_OFFSET } from '../kernel/kernel.ts';
import { elementCount } from '../tensor.ts';
import type { Place } from './hand.ts';
import type { WeightSpec } from './weights.ts';

/** WebAssembly addresses 2^32 bytes. */
export const ARENA_BYTES_MAX = 2 ** 32;

const PAGE_BYTES = 65536;

/** Tensors start at cache lines, so that a block of 64 weights fills four of them. */
const ALIGNMENT = 64;

/** A tensor in its arena. */
export type Placed = Place & { readonly memory: WebAssembly.Memory; readonly view: Float32Array };

type Plan = { readonly specs: WeightSpec[]; readonly offsets: number[]; bytes: number };

/**
 * Places every tensor, in order, opening another arena where one is full. An arena is as large as
 * what it holds, and never grows: views and what a session has bound stay valid.
 * @throws ZerothError exhausted where a tensor is larger than an arena or memory is not to be had.
 */
export function placeTensors(
  specs: readonly WeightSpec[],
  table: Float32Array,
  arenaBytesMax: number,
): Placed[] {
  const plans: Plan[] = [];
  for (const spec of specs) {
    const bytes = elementCount(spec.shape) * 4;
    if (WEIGHTS_OFFSET + bytes > arenaBytesMax) throw tooLarge(spec, bytes, arenaBytesMax - WEIGHTS_OFFSET);
    let plan = plans.at(-1);
    if (plan === undefined || plan.bytes + bytes > arenaBytesMax) {
      plan = { specs: [], offsets: [], bytes: WEIGHTS_OFFSET };
      plans.push(plan);
    }
    plan.specs.push(spec);
    plan.offsets.push(plan.bytes);
    plan.bytes = Math.ceil((plan.bytes + bytes) / ALIGNMENT) * ALIGNMENT;
  }
  const total = plans.reduce((sum, plan) => sum + plan.bytes, 0);
  return plans.flatMap((plan) => fill(plan, table, total));
}

function fill(plan: Plan, table: Float32Array, total: number): Placed[] {
  const memory = allocate(plan.bytes, total);
  const kernel = new Kernel(memory);
  kernel.setTable(table);
  return plan.specs.map((spec, i) => {
    const offset = plan.offsets[i];
    const length = elementCount(spec.shape);
    return { kernel, memory, offset, length, view: new Float32Array(memory.buffer, offset, length) };
  });
}

function allocate(bytes: number, total: number): WebAssembly.Memory {
  const pages = Math.ceil(bytes / PAGE_BYTES);
  try {
    return new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true });
  } catch (cause) {
    const message = `weights: no memory for an arena of ${bytes} bytes (of ${total} bytes in all)`;
    throw new ZerothError('exhausted', message, {}, cause);
  }
}

function tooLarge(spec: WeightSpec, bytes: number, room: number): ZerothError {
  const message = `tensor ${spec.name}: expected at most ${room} bytes, got ${bytes}`;
  return new ZerothError('exhausted', message, { metadata: { tensor: spec.name } });
}
