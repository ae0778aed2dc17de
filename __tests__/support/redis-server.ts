import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { Redis } from 'ioredis';
import { hasCode } from '../../lib/errors.js';
import { type StartedProgram, startProgram } from './program-start.js';
import { temporaryDirectory } from './temporary-directory.js';

/** A Redis server of its own, on a Unix socket, which keeps nothing on disk. */
export class RedisServer {
  /** For `new Redis(url)`. */
  readonly url: string;
  readonly #directory: string;
  readonly #settings: Readonly<Record<string, string>>;
  readonly #removeDirectory: () => Promise<void>;
  #program: StartedProgram | undefined;
  #pid = 0;

  private constructor(
    directory: string,
    removeDirectory: () => Promise<void>,
    settings: Readonly<Record<string, string>>,
  ) {
    this.#directory = directory;
    this.#settings = settings;
    this.#removeDirectory = removeDirectory;
    this.url = `${directory}/redis.sock`;
  }

  /**
   * Resolves when it takes connections.
   *
   * @param settings as in `redis.conf`, beside those for the socket.
   */
  static async start(settings: Readonly<Record<string, string>> = {}): Promise<RedisServer> {
    const { path, remove } = await temporaryDirectory();
    const server = new RedisServer(path, remove, settings);
    await server.restart();
    return server;
  }

  /** Starts it again, empty, after `stop`. */
  async restart(): Promise<void> {
    const base = { port: '0', unixsocket: this.url, save: '', appendonly: 'no', dir: '.' };
    const settings = { ...base, ...this.#settings };
    const args = Object.entries(settings).flatMap(([name, value]) => [`--${name}`, value]);
    const env = { PATH: process.env.PATH };
    const program = startProgram({
      command: 'redis-server',
      args,
      cwd: this.#directory,
      env,
    });
    this.#program = program;
    const failed = program.closed.then(
      (code) => Promise.reject(new Error(`redis-server ended with ${code}`)),
      (error: unknown) =>
        Promise.reject(hasCode(error) && error.code === 'ENOENT' ? MISSING : error),
    );
    await Promise.race([this.#ready(program), failed]);
  }

  /** Stops it, like a machine out of reach: connections stay open, and requests get no answer. */
  freeze(): void {
    process.kill(this.#pid, 'SIGSTOP');
  }

  thaw(): void {
    process.kill(this.#pid, 'SIGCONT');
  }

  /** All connections break. Idempotent. */
  async stop(): Promise<void> {
    this.#program?.kill();
    await this.#program?.closed;
  }

  /** Ends it, and removes all traces. Idempotent. */
  async close(): Promise<void> {
    await this.stop();
    await this.#removeDirectory();
  }

  /** Sends requests on a connection of its own. */
  async ask<T>(question: (client: Redis) => Promise<T>): Promise<T> {
    const client = new Redis(this.url);
    try {
      return await question(client);
    } finally {
      const ended = once(client, 'end');
      client.disconnect();
      await ended;
    }
  }

  /** All keys that there are. */
  async keys(): Promise<string[]> {
    return await this.ask((client) => client.keys('*'));
  }

  async #ready({ stdout }: StartedProgram): Promise<void> {
    const lines = createInterface({ input: stdout });
    for await (const line of lines) {
      const [, pid] = /\bpid=(\d+)/.exec(line) ?? [];
      if (pid !== undefined) this.#pid = Number(pid);
      if (/ready to accept connections/i.test(line)) break;
    }
    stdout.resume();
  }
}

const MISSING = new Error('The tests need redis-server: apt-get install redis-server');
