// ONNX Runtime's CUDA provider, as files beside the library that loads them, and what is wrong with them.
import { spawnSync } from 'node:child_process';
import { closeSync, openSync, readFileSync, readSync, statSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';

/** The second is the provider; the first stands between it and ONNX Runtime. */
export const providerFiles = [
  'libonnxruntime_providers_shared.so',
  'libonnxruntime_providers_cuda.so',
] as const;

const manifest = createRequire(import.meta.url).resolve('onnxruntime-node/package.json');

/** Of onnxruntime-node as it is installed; the provider has to be of the same. */
export const runtimeVersion = (JSON.parse(readFileSync(manifest, 'utf8')) as { readonly version: string })
  .version;

/** Where onnxruntime-node has its libonnxruntime.so.1, which looks for providers beside itself. */
export const runtimeFolder = join(dirname(manifest), 'bin/napi-v6/linux/x64');

/** @returns why the provider in a folder is none of this version; undefined where it is. */
export function faultOf(folder: string, version: string): string | undefined {
  for (const file of providerFiles) {
    const path = join(folder, file);
    const size = statSync(path, { throwIfNoEntry: false })?.size;
    if (size === undefined) return `${file}: not there`;
    const whole = elfBytes(path);
    if (whole === undefined || size < whole)
      return `${file}: expected a shared library of ${whole ?? 'some'} bytes, got ${size}`;
  }
  const [, provider] = providerFiles;
  const isOfVersion = readFileSync(join(folder, provider)).includes(`\0${version}\0`);
  return isOfVersion ? undefined : `${provider}: expected version ${version}, got another`;
}

/** Names of the libraries that the provider wants and the dynamic loader does not find. Those that it loads later are not among them. */
export function missingLibraries(folder: string): readonly string[] {
  const { stdout, error } = spawnSync('ldd', [join(folder, providerFiles[1])], { encoding: 'utf8' });
  if (error !== undefined) throw new Error('ldd: expected it to run', { cause: error });
  return [...stdout.matchAll(/^\s*(\S+) => not found$/gm)].map(([, name]) => name);
}

/** What a 64-bit ELF file has at least: its table of sections is the last in it. Undefined for other files. */
function elfBytes(path: string): number | undefined {
  const head = Buffer.alloc(64);
  const file = openSync(path, 'r');
  try {
    readSync(file, head);
  } finally {
    closeSync(file);
  }
  if (head.toString('latin1', 0, 4) !== '\x7fELF') return undefined;
  return Number(head.readBigUInt64LE(0x28)) + head.readUInt16LE(0x3a) * head.readUInt16LE(0x3c);
}
