// Compiles the kernel: `npm run build:kernel`. Does nothing where it is newer than its sources.
import { mkdirSync, readdirSync, renameSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const room = dirname(fileURLToPath(import.meta.url));
const sources = join(room, 'assembly');
/** Of 64 KiB: all that 32 bits can address. A shared memory has to say its maximum, and may be smaller than this. */
const MEMORY_PAGES_MAX = 65536;
const target = join(room, 'build', 'kernel.wasm');

/**
 * Several processes may build at once: each writes a file of its own and renames it, so that a
 * reader finds the whole kernel or none.
 * @returns whether it had to be compiled.
 * @throws Error with the compiler's messages.
 */
export async function buildKernel(): Promise<boolean> {
  if (isUpToDate()) return false;
  // The compiler takes longer to load than everything here together: only when there is work.
  const { default: asc } = await import('assemblyscript/asc');
  mkdirSync(dirname(target), { recursive: true });
  const ownFile = `${target}.${process.pid}`;
  const { error, stderr } = await asc.main([
    'index.ts',
    ...['--baseDir', sources],
    ...['--outFile', ownFile],
    ...['--runtime', 'stub'],
    ...['--enable', 'simd'],
    ...['--enable', 'threads'],
    ...['--maximumMemory', `${MEMORY_PAGES_MAX}`],
    '--sharedMemory',
    ...['--optimizeLevel', '3'],
    '--importMemory',
    '--noAssert',
  ]);
  if (error !== null) throw new Error(`kernel: ${error.message}\n${stderr.toString()}`, { cause: error });
  renameSync(ownFile, target);
  return true;
}

function isUpToDate(): boolean {
  const built = statSync(target, { throwIfNoEntry: false });
  if (built === undefined) return false;
  const files = readdirSync(sources).map((name) => join(sources, name));
  return [fileURLToPath(import.meta.url), ...files].every((file) => statSync(file).mtimeMs <= built.mtimeMs);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await buildKernel();
