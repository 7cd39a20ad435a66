// `npm run install:cuda`: ONNX Runtime's CUDA provider beside the library of onnxruntime-node, of the same version. `-- --check` says
// what is there and what it misses; `-- --into FOLDER` puts it elsewhere, for bench/gpu/pack.ts.
//
// It comes from the wheel of onnxruntime-gpu, through pip: a package of a registry, with what pip checks of it. Where there is no
// pip, or no such wheel, onnxruntime-node's own installer is asked, whose host is another.
import { spawnSync } from 'node:child_process';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { faultOf, missingLibraries, providerFiles, runtimeFolder, runtimeVersion } from './cuda-provider.ts';
import { fetchWheel, type Needs } from './cuda-wheel.ts';

const DRIVER = 'libcuda.so.1';
/** What the wheel says that its libraries need, kept beside them for --check. */
const NEEDS_FILE = 'libonnxruntime_providers_cuda.json';
const INSTALLER = fileURLToPath(
  new URL('../node_modules/onnxruntime-node/script/install.js', import.meta.url),
);

function main(): boolean {
  const { values } = parseArgs({ options: { check: { type: 'boolean' }, into: { type: 'string' } } });
  if (process.platform !== 'linux' || process.arch !== 'x64')
    throw new Error(
      `ONNX Runtime's CUDA provider is for linux x64, this is ${process.platform} ${process.arch}; --device webgpu computes on GPUs here`,
    );
  const folder = values.into ?? runtimeFolder;
  const fault = faultOf(folder, runtimeVersion);
  if (values.check && fault !== undefined)
    throw new Error(`CUDA provider ${runtimeVersion}: ${fault}; npm run install:cuda fetches it`);
  if (fault !== undefined) install(folder);
  console.log(`CUDA provider ${runtimeVersion}: installed`);
  const missing = missingLibraries(folder);
  console.log(
    missing.length === 0 ? 'every library that it is linked with is found' : advice(folder, missing),
  );
  return missing.length === 0 || !values.check;
}

function install(folder: string): void {
  console.log(`fetching onnxruntime-gpu ${runtimeVersion}, some hundreds of MB ...`);
  const download = mkdtempSync(join(tmpdir(), 'zeroth-cuda-'));
  try {
    const needs = fetchWheel(runtimeVersion, providerFiles, download);
    mkdirSync(folder, { recursive: true });
    for (const file of providerFiles) put(join(download, file), join(folder, file));
    writeFileSync(join(folder, NEEDS_FILE), `${JSON.stringify(needs, undefined, 2)}\n`);
  } catch (error) {
    if (folder !== runtimeFolder) throw error;
    console.log(`${(error as Error).message}\ntrying onnxruntime-node's own installer ...`);
    installItself();
  } finally {
    rmSync(download, { recursive: true });
  }
  const fault = faultOf(folder, runtimeVersion);
  if (fault !== undefined) throw new Error(fault);
}

/** Whole or not at all: a library that is being copied may be loaded meanwhile. */
function put(from: string, to: string): void {
  copyFileSync(from, `${to}.partial`);
  renameSync(`${to}.partial`, to);
}

/** It puts its files where ours are, of the version that it came with. */
function installItself(): void {
  const { status } = spawnSync(process.execPath, [INSTALLER, '--onnxruntime-node-install'], {
    stdio: 'inherit',
  });
  if (status === 0) return;
  throw new Error(
    `neither way worked; on a machine with python3, pip and a network: npm run install:cuda -- --into FOLDER, then copy ${providerFiles.join(' and ')} to ${runtimeFolder}`,
  );
}

function advice(folder: string, missing: readonly string[]): string {
  const lines = ['the dynamic loader does not find:', ...missing.map((name) => `  ${name}`)];
  if (missing.includes(DRIVER)) lines.push(`${DRIVER} comes with NVIDIA's driver.`);
  const needs = needsOf(folder);
  if (needs === undefined) lines.push('The rest are libraries of CUDA, of the versions that they end in.');
  else lines.push(...librariesAdvice(needs));
  return lines.join('\n');
}

function librariesAdvice({ cuda, packages }: Needs): readonly string[] {
  return [
    `The provider is for CUDA ${cuda}: nvidia-smi has to show this version or a newer one. CUDA's libraries come with`,
    `  python3 -m pip install --target cuda-libraries ${packages.map((each) => `'${each}'`).join(' ')}`,
    '  export LD_LIBRARY_PATH="$(ls -d "$PWD"/cuda-libraries/nvidia/*/lib | paste -sd :):$LD_LIBRARY_PATH"',
    'PyTorch for the same CUDA has brought them too.',
  ];
}

function needsOf(folder: string): Needs | undefined {
  const path = join(folder, NEEDS_FILE);
  return existsSync(path) ? (JSON.parse(readFileSync(path, 'utf8')) as Needs) : undefined;
}

try {
  if (!main()) process.exitCode = 1;
} catch (error) {
  process.stderr.write(`install:cuda: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}
