// The package as npm has it: built, packed, and unpacked or installed beside programs that have nothing of this repository.
import { execFile } from 'node:child_process';
import { cp, mkdir, rename, symlink, writeFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { temporaryFolder } from './server-process.ts';

const run = promisify(execFile);

const STRICT = {
  ...{ strict: true, noEmit: true, module: 'nodenext', target: 'es2024', allowJs: true },
  ...{ types: ['node'], typeRoots: [resolve('node_modules/@types')] },
  lib: ['es2024', 'esnext.disposable'],
};

export class PackedApp implements AsyncDisposable {
  /** Where the programs are. */
  readonly path: string;
  readonly #folder: AsyncDisposable;

  private constructor(path: string, folder: AsyncDisposable) {
    this.path = path;
    this.#folder = folder;
  }

  /** With the dependencies that are installed here. */
  static async open(): Promise<PackedApp> {
    const folder = await temporaryFolder();
    const [app, modules] = [join(folder.path, 'app'), join(folder.path, 'app', 'node_modules')];
    const tarball = await pack(join(folder.path, 'source'));
    await mkdir(modules, { recursive: true });
    await run('tar', ['-xzf', tarball, '-C', modules]);
    await rename(join(modules, 'package'), join(modules, 'zeroth'));
    await symlink(resolve('node_modules'), join(modules, 'zeroth', 'node_modules'));
    await writeFile(join(app, 'package.json'), JSON.stringify({ type: 'module' }));
    return new PackedApp(app, folder);
  }

  /** As npm installs it where nobody says anything else: with scripts, which this repository's .npmrc leaves out. */
  static async install(): Promise<PackedApp> {
    const folder = await temporaryFolder();
    const app = join(folder.path, 'app');
    const tarball = await pack(join(folder.path, 'source'));
    await mkdir(app);
    await writeFile(join(app, 'package.json'), JSON.stringify({ name: 'app', type: 'module' }));
    await run('npm', ['install', '--prefer-offline', '--ignore-scripts=false', tarball], {
      cwd: app,
    });
    return new PackedApp(app, folder);
  }

  /** What a program prints. @throws what execFile does where it fails. */
  async run(file: string, content: string, args: readonly string[] = []): Promise<string> {
    await this.write(file, content);
    return (await run(process.execPath, [file, ...args], { cwd: this.path })).stdout;
  }

  async write(file: string, content: string | Uint8Array): Promise<void> {
    await mkdir(dirname(join(this.path, file)), { recursive: true });
    await writeFile(join(this.path, file), content);
  }

  /** The lines of a strict compiler. @param options of its own, beside or instead of those. */
  async compilerSays(file: string, options: object = {}): Promise<string[]> {
    const compilerOptions = { ...STRICT, ...options };
    await this.write('tsconfig.json', JSON.stringify({ compilerOptions, files: [file] }));
    const said = await run('tsc', ['--project', this.path]).catch((error: { stdout: string }) => error);
    return said.stdout.split('\n').filter((line) => line !== '');
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#folder[Symbol.asyncDispose]() as Promise<void>;
  }
}

/** Builds and packs. @param source a folder that is not there yet. @returns the file. */
async function pack(source: string): Promise<string> {
  await run(process.execPath, ['scripts/build.ts', join(source, 'dist')]);
  for (const file of ['package.json', 'README.md', 'LICENSE']) await cp(file, join(source, file));
  const { stdout } = await run('npm', ['pack', '--silent'], { cwd: source });
  return join(source, stdout.trim());
}
