// Which nodes of a session were computed on the host, read from the profile of its runs.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Owner } from './handles.ts';

type ProfileEvent = {
  readonly cat?: string;
  readonly args?: {
    readonly op_name?: string;
    readonly provider?: string;
    readonly input_type_shape?: readonly TypeShape[];
    readonly output_type_shape?: readonly TypeShape[];
  };
};

/** `{ "float": [2, 3] }` */
type TypeShape = Readonly<Record<string, readonly number[]>>;

const HOST = 'CPUExecutionProvider';

/** ONNX Runtime's own copies between host and device. */
const COPIES = new Set(['MemcpyToHost', 'MemcpyFromHost']);

/** In a folder of its own that goes with its owner, also where no session comes of it: ONNX Runtime opens the file before it looks at the model. */
export function profilePath(owner: Owner): string {
  const folder = mkdtempSync(join(tmpdir(), 'zeroth-profile-'));
  owner.defer(() => rmSync(folder, { recursive: true, force: true }));
  return join(folder, 'runs');
}

/** @returns operators and how many of them, as `Gelu x 6`. */
export function fallbacksIn(path: string): readonly string[] {
  const events = JSON.parse(readFileSync(path, 'utf8')) as readonly ProfileEvent[];
  const counts = new Map<string, number>();
  for (const { cat, args } of events) {
    const operator = args?.op_name;
    if (cat !== 'Node' || args?.provider !== HOST || operator === undefined) continue;
    if (COPIES.has(operator) || isAboutShapes(args)) continue;
    counts.set(operator, (counts.get(operator) ?? 0) + 1);
  }
  return [...counts].map(([operator, times]) => (times === 1 ? operator : `${operator} x ${times}`)).sort();
}

/** Integers of at most one dimension: sizes and indices, which belong on the host. */
function isAboutShapes({
  input_type_shape = [],
  output_type_shape = [],
}: NonNullable<ProfileEvent['args']>): boolean {
  return output_type_shape
    .concat(input_type_shape)
    .every((tensor) =>
      Object.entries(tensor).every(([type, shape]) => !/float|double/.test(type) && shape.length <= 1),
    );
}
