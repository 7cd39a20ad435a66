// What is measured on a device: the same model, batch and number of rounds for every figure of a run.
import { parseArgs } from 'node:util';
import { type DeviceName, deviceNames } from '../../server/runtime/runtime.ts';
import type { Size } from '../server.ts';

export type GpuOptions = Size & {
  readonly device: DeviceName;
  readonly layers: number;
  /** Width of the model. */
  readonly hidden: number;
  readonly rounds: number;
};

/** The model counts positions from 1, and has 512. */
const SEQUENCE_MAX = 511;
const HEAD_SIZE = 32;

const USAGE = `usage: npm run bench:gpu -- --device ${deviceNames.join('|')} [--layers 6] [--hidden 384]
       [--batch 16] [--sequence 128] [--rounds 15] [--json FILE]`;

/** @throws Error saying what was expected. */
export function readOptions(args: readonly string[]): GpuOptions & { readonly json: string | undefined } {
  const { values } = parseArgs({
    args: [...args],
    options: {
      device: { type: 'string', default: '' },
      layers: { type: 'string', default: '6' },
      hidden: { type: 'string', default: '384' },
      batch: { type: 'string', default: '16' },
      sequence: { type: 'string', default: '128' },
      rounds: { type: 'string', default: '15' },
      json: { type: 'string' },
    },
  });
  const device = deviceNames.find((name) => name === values.device);
  if (device === undefined) throw new Error(`--device: expected one, got "${values.device}"\n${USAGE}`);
  const hidden = count('hidden', values.hidden);
  if (hidden % HEAD_SIZE !== 0)
    throw new Error(`--hidden: expected a multiple of ${HEAD_SIZE}, got ${hidden}`);
  return {
    device,
    hidden,
    layers: count('layers', values.layers),
    batch: count('batch', values.batch),
    sequence: count('sequence', values.sequence, SEQUENCE_MAX),
    rounds: count('rounds', values.rounds),
    json: values.json,
  };
}

function count(name: string, text: string, maximum = Number.MAX_SAFE_INTEGER): number {
  const value = Number(text);
  if (Number.isSafeInteger(value) && value >= 1 && value <= maximum) return value;
  throw new Error(`--${name}: expected a whole number from 1 to ${maximum}, got ${text}`);
}
