// Packs what a machine with a GPU and without a network needs to run the suite and bench/gpu:
// `npm run bench:gpu:pack -- --device webgpu|cuda --out FOLDER [--provider FOLDER] [--libraries FOLDER]`. docs/gpu.md tells how.
import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { parseArgs } from 'node:util';
import { runtimeFolder } from '../../scripts/cuda-provider.ts';
import { NODE, ROOT, RUNTIME, stageAll, stageLibraries, stageProvider, stageVulkan } from './stage.ts';

const USAGE =
  'usage: npm run bench:gpu:pack -- --device webgpu|cuda --out FOLDER [--provider FOLDER] [--libraries FOLDER]';

/** As small as the machines want them that take a folder of at most 64 MiB at a time. */
const PIECE = '60M';
const ARCHIVE = 'zeroth-gpu.tar.gz';
const MiB = 2 ** 20;

function main(): void {
  const { device, out, provider, libraries } = options();
  const stage = mkdtempSync(join(tmpdir(), 'zeroth-gpu-'));
  try {
    stageAll(stage);
    if (device === 'cuda') stageProvider(stage, provider ?? runtimeFolder);
    else stageVulkan(stage);
    if (libraries !== undefined) stageLibraries(stage, libraries);
    writeFileSync(join(stage, 'device'), `${device}\n`);
    print(stage);
    archive(stage, out);
  } finally {
    rmSync(stage, { recursive: true });
  }
}

function options() {
  const text = { type: 'string' } as const;
  const { values } = parseArgs({ options: { device: text, out: text, provider: text, libraries: text } });
  const { device, out } = values;
  if ((device !== 'webgpu' && device !== 'cuda') || out === undefined) throw new Error(USAGE);
  if (process.platform !== 'linux' || process.arch !== 'x64')
    throw new Error(
      `expected to run on linux x64, which it packs for, got ${process.platform} ${process.arch}`,
    );
  return { ...values, device, out };
}

function print(stage: string): void {
  const folders = ['.', 'lib', 'node_modules', `${RUNTIME}/bin`, dirname(NODE)];
  for (const folder of folders) {
    const size = sizeOf(join(stage, folder));
    if (size > 0)
      console.log(`${(size / MiB).toFixed(1).padStart(8)} MiB  ${folder === '.' ? 'all' : folder}`);
  }
}

function sizeOf(folder: string): number {
  if (statSync(folder, { throwIfNoEntry: false }) === undefined) return 0;
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .reduce((sum, entry) => sum + statSync(join(entry.parentPath, entry.name)).size, 0);
}

function archive(stage: string, out: string): void {
  mkdirSync(out, { recursive: true });
  for (const old of readdirSync(out).filter((name) => name.startsWith(ARCHIVE))) rmSync(join(out, old));
  const whole = join(out, ARCHIVE);
  execFileSync('tar', ['-czf', whole, '-C', stage, '.'], { stdio: 'inherit' });
  execFileSync('split', ['-b', PIECE, '-d', whole, `${whole}.`], { stdio: 'inherit' });
  rmSync(whole);
  cpSync(join(ROOT, 'bench/gpu/unpack.sh'), join(out, 'unpack.sh'));
  for (const name of readdirSync(out).sort())
    console.log(`${(statSync(join(out, name)).size / MiB).toFixed(1).padStart(8)} MiB  ${join(out, name)}`);
}

try {
  main();
} catch (error) {
  process.stderr.write(`bench:gpu:pack: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}
