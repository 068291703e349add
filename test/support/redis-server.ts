import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import Redis from 'ioredis';
import { type MAuthSecondLevelCache } from '../../lib/config/options.js';
import { freePort } from './free-port.js';

/** Whether there is a Redis server on this machine (Debian: `apt-get install redis-server`). */
export const hasRedisServer = spawnSync('redis-server', ['--version']).status === 0;

/** A real Redis server on a free port, which keeps nothing on disk. */
export class RedisServer {
  readonly #clients: Redis[] = [];

  private constructor(
    readonly process: ChildProcess,
    /** Of the loopback. */
    readonly port: number,
  ) {}

  static async start(): Promise<RedisServer> {
    const port = await freePort();
    const options = ['--port', String(port), '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no'];
    const server = new RedisServer(spawn('redis-server', options, { stdio: 'ignore' }), port);
    const client = server.client();
    await client.ping(); // Repeated until the server listens.
    return server;
  }

  /** The client of one application instance. */
  client(): Redis {
    const client = new Redis({
      host: '127.0.0.1',
      port: this.port,
      retryStrategy: () => 50,
      disconnectTimeout: 50, // Else its timer would outlive the tests.
    });
    client.on('error', () => undefined); // Its commands fail, and that is what matters.
    this.#clients.push(client);
    return client;
  }

  /** A client in the form of the option `keys.secondLevel`. */
  store(): MAuthSecondLevelCache {
    const client = this.client();
    return {
      get: (key) => client.get(key),
      set: (key, value, ttl) => client.set(key, value, 'PX', ttl),
      delete: (key) => client.del(key),
    };
  }

  /** Ends the server as a crash does. */
  async kill(): Promise<void> {
    if (this.process.exitCode !== null || this.process.signalCode !== null) return;
    const exited = once(this.process, 'exit');
    this.process.kill('SIGKILL');
    await exited;
  }

  async close(): Promise<void> {
    for (const client of this.#clients) client.disconnect();
    await this.kill();
  }
}
