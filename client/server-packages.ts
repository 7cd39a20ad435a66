// The packages that a server computes with, and a client's install does without: they are half a gigabyte, and have install scripts.
import { createRequire } from 'node:module';
import { ZerothError } from '../server/errors.ts';

/** In the versions that are tested here; package.json has the same (test/client/server-packages.test.ts). */
export const SERVER_PACKAGES = { koffi: '3.3.4', 'onnxruntime-node': '1.30.0' } as const;

/**
 * Before anything of the server's is imported: Node.js would name the first package that it misses, and nothing to do about it.
 * @throws ZerothError unimplemented, saying what to install.
 */
export function checkServerPackages(isInstalled: (name: string) => boolean = canBeImported): void {
  const missing = Object.entries(SERVER_PACKAGES).filter(([name]) => !isInstalled(name));
  if (missing.length === 0) return;
  const names = missing.map(([name]) => name).join(', ');
  const remedy = `npm install --ignore-scripts ${missing.map((each) => each.join('@')).join(' ')}`;
  const message = `${names}: expected what a server computes with, got no such package; install it with ${remedy}`;
  throw new ZerothError('unimplemented', message);
}

function canBeImported(name: string): boolean {
  try {
    createRequire(import.meta.url).resolve(name);
    return true;
  } catch {
    return false;
  }
}
