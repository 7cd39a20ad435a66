// The packages that others need at run time, found as Node.js finds them.
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

type Manifest = {
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
  readonly peerDependencies?: Readonly<Record<string, string>>;
  readonly peerDependenciesMeta?: Readonly<Record<string, { readonly optional?: boolean }>>;
};

/**
 * Folders of these packages and of all that they depend on, from `root`. What is optional, as the binaries of other platforms are,
 * is there if it is installed.
 * @throws Error where a package is not installed.
 */
export function packageFolders(root: string, names: readonly string[]): readonly string[] {
  const folders = new Set<string>();
  const visit = (name: string, from: string, isOptional: boolean) => {
    const folder = find(root, name, from);
    if (folder === undefined && !isOptional) throw new Error(`package ${name}: expected it in node_modules`);
    if (folder === undefined || folders.has(folder)) return;
    folders.add(folder);
    const { dependencies, optionalDependencies, peerDependencies, peerDependenciesMeta } = manifest(
      root,
      folder,
    );
    const optional = { ...optionalDependencies };
    for (const each of Object.keys({ ...dependencies, ...optional })) visit(each, folder, each in optional);
    for (const each of Object.keys(peerDependencies ?? {}))
      if (!peerDependenciesMeta?.[each]?.optional) visit(each, folder, false);
  };
  for (const name of names) visit(name, '', false);
  return [...folders].sort();
}

/** In the node_modules of `from`, or of the nearest folder above it that has the package. */
function find(root: string, name: string, from: string): string | undefined {
  const folder = join(from, 'node_modules', name);
  if (existsSync(join(root, folder, 'package.json'))) return folder;
  if (from === '') return undefined;
  return find(root, name, from.slice(0, Math.max(0, from.lastIndexOf('node_modules') - 1)));
}

export function manifest(root: string, folder: string): Manifest {
  return JSON.parse(readFileSync(join(root, folder, 'package.json'), 'utf8')) as Manifest;
}
