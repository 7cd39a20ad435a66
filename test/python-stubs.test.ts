// That a change of the contract is noticed where the messages of examples/python were not made again.
import { cpSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { stalePythonStubs } from '../scripts/python-stubs.ts';
import { temporaryFolder } from './support/server-process.ts';

const CONTRACT = 'proto/zeroth/v1';
const RECORD = 'examples/python/src/zeroth/wire/proto.sha256';

const stale = (name: string) =>
  `examples/python/src/zeroth/wire is not that of ${CONTRACT}/${name}: run examples/python/generate.py, whose first lines say how`;

/** The contract and the record, as they are committed. */
async function checkout() {
  const folder = await temporaryFolder();
  for (const path of [CONTRACT, RECORD]) cpSync(path, join(folder.path, path), { recursive: true });
  return folder;
}

function rewrite(file: string, change: (text: string) => string): void {
  writeFileSync(file, change(readFileSync(file, 'utf8')));
}

describe('the messages of examples/python', () => {
  test('are those of proto/ as it is committed', () => {
    expect(stalePythonStubs()).toEqual([]);
    expect(
      readFileSync(RECORD, 'utf8').match(/^[0-9a-f]{64} {2}zeroth\/v1\/\w+\.proto$/gm)!.length,
    ).toBeGreaterThan(5);
  });

  test('are stale when a file of it has changed, a comment included: stubs have it too', async () => {
    await using folder = await checkout();
    rewrite(join(folder.path, CONTRACT, 'run_service.proto'), (text) => text.replace('// ', '// Now '));
    expect(stalePythonStubs(folder.path)).toEqual([stale('run_service.proto')]);
  });

  test('are stale when it has another file, or one fewer', async () => {
    await using folder = await checkout();
    const from = (name: string) => join(folder.path, CONTRACT, name);
    renameSync(from('common.proto'), from('shared.proto'));
    expect(stalePythonStubs(folder.path)).toEqual([stale('common.proto'), stale('shared.proto')]);
  });

  test('are not, where a checkout has other ends of lines', async () => {
    await using folder = await checkout();
    rewrite(join(folder.path, CONTRACT, 'common.proto'), (text) => text.replaceAll('\n', '\r\n'));
    expect(stalePythonStubs(folder.path)).toEqual([]);
  });

  test('are, all of them, where nothing says what they were made of', async () => {
    await using folder = await checkout();
    const count = readFileSync(RECORD, 'utf8').split('\n').length - 1;
    rmSync(join(folder.path, RECORD));
    expect(stalePythonStubs(folder.path)).toHaveLength(count);
  });
});
