// package-lock.json after a change of package.json: `npm run lock`.
//
// A registry may lack the packages of some platforms that an optional dependency names. npm then
// leaves them out of the lock, and `npm ci` refuses the lock as incomplete, on every platform. An
// entry that says which platform it is for is enough: npm skips it elsewhere without fetching it.
import { execFileSync } from 'node:child_process';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';

type Entry = {
  readonly version?: string;
  readonly dev?: boolean;
  readonly optional?: boolean;
  readonly os?: readonly string[];
  readonly cpu?: readonly string[];
  readonly libc?: readonly string[];
  readonly optionalDependencies?: Readonly<Record<string, string>>;
};

const LOCK = 'package-lock.json';

const systems = ['aix', 'android', 'darwin', 'freebsd', 'linux', 'openharmony', 'sunos', 'win32'];
const processors = ['arm', 'arm64', 'ia32', 'loong64', 'ppc64', 'riscv64', 's390x', 'wasm32', 'x64'];
const spellings: Readonly<Record<string, string>> = {
  aarch64: 'arm64',
  armv7: 'arm',
  gnueabihf: 'glibc',
  gnu: 'glibc',
  musleabihf: 'musl',
  win: 'win32',
};

/** `@scope/name-linux-x64-musl` is for Linux on x64 with musl. */
function entryFor(name: string, version: string, dev: boolean): Entry {
  const words = name.split(/[-/]/).map((word) => spellings[word] ?? word);
  const among = (known: readonly string[]) => words.filter((word) => known.includes(word));
  const [os, cpu, libc] = [among(systems), among(processors), among(['musl', 'glibc'])];
  if (os.length === 0 && cpu.length === 0) throw new Error(`${name}: its name does not tell its platform`);
  return {
    version: version.replace(/^[~^=]/, ''),
    ...(cpu.length > 0 && { cpu }),
    ...(dev && { dev }),
    ...(libc.length > 0 && { libc }),
    optional: true,
    ...(os.length > 0 && { os }),
  };
}

function complete(packages: Record<string, Entry>): number {
  let added = 0;
  for (const [path, { optionalDependencies = {}, dev = false }] of Object.entries(packages)) {
    for (const [name, version] of Object.entries(optionalDependencies)) {
      if (`node_modules/${name}` in packages || `${path}/node_modules/${name}` in packages) continue;
      packages[`node_modules/${name}`] = entryFor(name, version, dev);
      added++;
    }
  }
  return added;
}

rmSync(LOCK, { force: true });
execFileSync('npm', ['install', '--package-lock-only'], { stdio: 'inherit' });
const lock = JSON.parse(readFileSync(LOCK, 'utf8')) as { packages: Record<string, Entry> };
const added = complete(lock.packages);
writeFileSync(LOCK, `${JSON.stringify(lock, undefined, 2)}\n`);
console.log(`${Object.keys(lock.packages).length} packages, ${added} of them not in this registry`);
