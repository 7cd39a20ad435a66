// NVRTC, which compiles CUDA C++ while the program runs; the package nvidia-cuda-nvrtc has it, which ONNX Runtime's provider wants too.
import koffi, { type KoffiFunc } from 'koffi';
import { addressOf, cText, pointers } from '../capi/values.ts';

/** By the versions of CUDA that there are; the one of the provider first. */
const LIBRARIES = ['libnvrtc.so.13', 'libnvrtc.so.12'];

const signatures = {
  nvrtcCreateProgram: ['void*', 'void*', 'void*', 'int', 'void*', 'void*'],
  nvrtcCompileProgram: ['void*', 'int', 'void*'],
  nvrtcGetCUBINSize: ['void*', 'void*'],
  nvrtcGetCUBIN: ['void*', 'void*'],
  nvrtcGetProgramLogSize: ['void*', 'void*'],
  nvrtcGetProgramLog: ['void*', 'void*'],
  nvrtcDestroyProgram: ['void*'],
} as const;

type Name = keyof typeof signatures;

// biome-ignore lint/suspicious/noExplicitAny: what goes in is in the table above
type Functions = Readonly<Record<Name, KoffiFunc<(...args: any[]) => number>>>;

/**
 * Machine code for an architecture (90 for compute capability 9.0). A product and a sum are never made one operation, which would
 * round once instead of twice.
 * @throws Error where NVRTC is not there, or does not take the source or the architecture.
 */
export function compile(source: string, architecture: number): Uint8Array {
  const functions = load();
  const out = new BigUint64Array(1);
  const [text, name] = [cText(source), cText('zeroth.cu')];
  check(functions.nvrtcCreateProgram(out, text, name, 0, null, null), 'nvrtcCreateProgram');
  const program = out[0];
  try {
    const options = [`--gpu-architecture=sm_${architecture}`, '--fmad=false', '--std=c++17'].map(cText);
    const result = functions.nvrtcCompileProgram(program, options.length, pointers(options.map(addressOf)));
    if (result !== 0) throw new Error(`NVRTC: ${read(functions, program, 'ProgramLog').toString().trim()}`);
    return read(functions, program, 'CUBIN');
  } finally {
    functions.nvrtcDestroyProgram(out);
  }
}

function load(): Functions {
  for (const path of LIBRARIES) {
    try {
      const library = koffi.load(path);
      const entries = Object.entries(signatures);
      return Object.fromEntries(
        entries.map(([name, args]) => [name, library.func(name, 'int', [...args])]),
      ) as Functions;
    } catch {}
  }
  throw new Error(`NVRTC: none of ${LIBRARIES.join(', ')} is where the dynamic loader looks`);
}

function read(functions: Functions, program: bigint, what: 'CUBIN' | 'ProgramLog'): Buffer {
  const size = new BigUint64Array(1);
  check(functions[`nvrtcGet${what}Size`](program, size), what);
  const bytes = Buffer.alloc(Number(size[0]));
  check(functions[`nvrtcGet${what}`](program, bytes), what);
  return bytes;
}

function check(result: number, name: string): void {
  if (result !== 0) throw new Error(`NVRTC: ${name} failed with ${result}`);
}
