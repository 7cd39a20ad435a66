// The server of a document: the fixtures' models, and those that its programs name.
import { cp, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type ServerProcess, startServerProcess, temporaryFolder } from './server-process.ts';

/** @param models files beside the fixtures, by their names in the model directory. */
export async function withServer<Result>(
  flags: readonly string[],
  use: (server: ServerProcess) => Promise<Result>,
  models: Readonly<Record<string, Uint8Array>> = {},
): Promise<Result> {
  await using folder = await temporaryFolder();
  await cp('test/fixtures/models', join(folder.path, 'models'), { recursive: true });
  for (const [name, bytes] of Object.entries(models))
    await writeFile(join(folder.path, 'models', name), bytes);
  const server = await startServerProcess(folder.path, flags);
  try {
    return await use(server);
  } finally {
    await server.stop();
  }
}
