// A network that stops: so many bytes come from the server, and then no more, while the connection stays.
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';

export type StallingProxy = AsyncDisposable & {
  /** "127.0.0.1:PORT" */
  readonly address: string;
  /** Resolves when all has come that is to. */
  readonly stalled: Promise<void>;
};

/** @param address of the server, "host:port". */
export async function openStallingProxy(address: string, bytesMax: number): Promise<StallingProxy> {
  const { promise: stalled, resolve: stall } = Promise.withResolvers<void>();
  const [host, port] = address.split(':');
  const sockets = new Set<Socket>();
  let bytes = 0;
  const server = createServer((near) => {
    const far = connect(Number(port), host);
    for (const socket of [near, far]) sockets.add(socket.on('error', () => {}));
    near.pipe(far);
    near.on('close', () => far.destroy());
    far.on('data', (data) => {
      bytes += data.length;
      if (bytes <= bytesMax) near.write(data);
      else stall();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    address: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    stalled,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
