// The gRPC server: services, health, reflection; how it opens and how it ends.
import { Server, type ServiceDefinition } from '@grpc/grpc-js';
import { HealthImplementation } from 'grpc-health-check';
import type { Config } from '../config.ts';
import { ZerothError } from '../errors.ts';
import type { Log } from '../log.ts';
import type { Access } from './access.ts';
import { Gate } from './gate.ts';
import { handlersOf, type Parts } from './handlers.ts';
import { addReflection } from './reflection.ts';

export class RpcServer {
  readonly #config: Config;
  readonly #server: Server;
  readonly #health: HealthImplementation;
  readonly #gate = new Gate();
  /** Health is per process: every service is there or none is. */
  readonly #names: readonly string[];
  readonly #access: Access;

  constructor(parts: Parts, log: Log, access: Access) {
    const { strangerBecause } = access;
    this.#access = access;
    const { config } = parts;
    this.#config = config;
    this.#server = new Server({
      'grpc.max_receive_message_length': config.messageBytesMax,
      'grpc.max_send_message_length': config.messageBytesMax,
      // Off by default in grpc-js: without it a peer that vanished is never noticed.
      'grpc.keepalive_time_ms': config.keepaliveMs,
      'grpc.keepalive_timeout_ms': config.keepaliveMs,
    });
    const all = handlersOf(parts, this.#gate, log, strangerBecause);
    for (const handlers of all) this.#server.addService(...handlers);
    this.#names = ['', ...all.map(([definition]) => nameOf(definition))];
    this.#health = new HealthImplementation(
      Object.fromEntries(this.#names.map((name) => [name, 'NOT_SERVING'])),
    );
    // Without a token: probes have none, and all they learn is that the server is up.
    this.#health.addToServer(this.#server);
    addReflection(this.#server, strangerBecause);
  }

  /** @returns the port. Calls are refused as loading until `open`. */
  listen(): Promise<number> {
    const { host, port } = this.#config;
    const address = `${host.includes(':') ? `[${host}]` : host}:${port}`;
    return new Promise((resolve, reject) => {
      this.#server.bindAsync(address, this.#access.credentials, (error, bound) => {
        if (error === null) resolve(bound);
        else
          reject(new ZerothError('unavailable', `host, port: cannot listen on ${address}: ${error.message}`));
      });
    });
  }

  open(): void {
    this.#gate.open();
    this.#setHealth('SERVING');
  }

  /** Refuses new calls, ends watchers, gives the others `shutdownGraceMs`, then cuts them off. */
  async close(): Promise<void> {
    this.#setHealth('NOT_SERVING');
    this.#gate.drain();
    const grace = setTimeout(() => this.#server.forceShutdown(), this.#config.shutdownGraceMs);
    await new Promise<void>((resolve) => this.#server.tryShutdown(() => resolve()));
    clearTimeout(grace);
  }

  #setHealth(health: 'SERVING' | 'NOT_SERVING'): void {
    for (const name of this.#names) this.#health.setStatus(name, health);
  }
}

/** "zeroth.v1.StudyService", from the path of any of its calls. */
function nameOf(definition: ServiceDefinition): string {
  return Object.values(definition)[0].path.split('/')[1];
}
