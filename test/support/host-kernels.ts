// Kernels of CUDA C++ on the host, by g++.
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import koffi from 'koffi';
import type { DeviceMemory, Kernels } from '../../server/runtime/runtime.ts';

const SHIM = join(import.meta.dirname, 'cuda-on-host.cpp');

const OPTIONS = ['-std=c++20', '-O1', '-ffp-contract=off', '-pthread'];

/** Undefined where there is one. */
export const whyNoCompiler: string | undefined = hasCompiler()
  ? undefined
  : 'there is no g++ that has C++20; apt-get install g++ brings it';

function hasCompiler(): boolean {
  const check = [...OPTIONS, '-fsyntax-only', '-include', 'barrier', '-x', 'c++', '-'];
  return spawnSync('g++', check, { input: '' }).status === 0;
}

if (whyNoCompiler !== undefined) console.warn(`skipped: kernels of CUDA on the host (${whyNoCompiler})`);

/** Memory of a host, whose kernels are compiled for it. */
export function withHostKernels(memory: DeviceMemory): DeviceMemory {
  return {
    allocate: (bytes, what) => memory.allocate(bytes, what),
    upload: (copies) => memory.upload(copies),
    download: (from, into) => memory.download(from, into),
    copy: (from, to) => memory.copy(from, to),
    program: (model, options) => memory.program(model, options),
    kernels: compile,
  };
}

function compile(source: string): Kernels {
  const folder = mkdtempSync(join(tmpdir(), 'zeroth-kernels-'));
  try {
    const [text, library] = [join(folder, 'kernels.cu'), join(folder, 'kernels.so')];
    writeFileSync(text, source);
    execFileSync('g++', [...OPTIONS, '-shared', '-fPIC', `-DKERNELS="${text}"`, SHIM, '-o', library]);
    const loaded = koffi.load(library);
    return {
      launch: (name, _, args) =>
        loaded.func(`launch_${name}`, 'void', ['void*'])(BigUint64Array.from(args, BigInt)),
      wait: () => {},
      [Symbol.dispose]: () => {},
    };
  } finally {
    rmSync(folder, { recursive: true });
  }
}
