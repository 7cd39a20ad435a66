/**
 * The server's work in this process, behind the client's interface.
 * @module zeroth/local
 */
import type { LocalOptions as ServerOptions } from '../server/main.ts';
import { Zeroth } from './client.ts';
import { toRetryPolicy } from './connect-options.ts';
import { LocalChannel } from './local-channel.ts';
import type { RetryPolicy } from './retry.ts';
import { checkServerPackages } from './server-packages.ts';

/** The settings of `zeroth serve`, by the names of its JSON file, but for those of the socket. */
export type LocalOptions = ServerOptions & {
  /** Of calls that are refused because a queue is full. Default, of each of its numbers: RETRY. */
  readonly retry?: Partial<RetryPolicy> | undefined;
};

/**
 * Models, datasets, runs and their journal in this process, with what `connect` gives: all of it but the wire, and
 * the same journals and digests. It answers when the promise resolves, and leaves nothing behind where it rejects.
 * Models compute in threads of their own. The data directory is held alone, as a server holds it, and a server can go
 * on with it later. Closing is what lets the process end. Nothing is logged unless `log` or `logLevel` say so.
 * @throws ZerothError naming the setting; 'unavailable' where another has the data directory; 'unimplemented' where what a
 * server computes with is not installed.
 * @example
 * await using zeroth = await openLocal({ modelDir: './models', dataDir: ':memory:' });
 * const model = await zeroth.models.load('mlp.onnx');
 * const run = await zeroth.runs.create({ model: model.name, objective: { name: 'cross_entropy' } });
 */
export async function openLocal({ retry, ...options }: LocalOptions = {}): Promise<Zeroth> {
  const policy = toRetryPolicy(retry);
  checkServerPackages();
  const { openLocalServer } = await import('../server/main.ts');
  return new Zeroth(new LocalChannel(await openLocalServer(options), policy));
}
