import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { Scene } from './redis-program.js';

/** Milliseconds for which the process that holds a key has it. */
export const HOUR = 60 * 60_000;

/** The program of such a process. Its arguments are the URL of the server and a scene. */
export const redisProgram = fileURLToPath(new URL('./redis-program.js', import.meta.url));

/** Another process that uses the locks of a server. */
export class RedisProcess {
  /** Its messages so far. */
  readonly messages: unknown[] = [];
  readonly #child: ChildProcess;
  readonly #exit: Promise<unknown[]>;

  constructor(url: string, scene: Scene) {
    this.#child = fork(redisProgram, [url, scene], { execArgv: [] });
    this.#exit = once(this.#child, 'exit');
    this.#child.on('message', (message) => this.messages.push(message));
  }

  /** Resolves when it has said something; rejects when it ended instead. */
  async message(): Promise<void> {
    if (this.messages.length > 0) return;
    await Promise.race([
      once(this.#child, 'message'),
      this.#exit.then(() => Promise.reject(new Error('the process ended'))),
    ]);
  }

  /** The exit code. */
  async ended(): Promise<unknown> {
    const [code] = await this.#exit;
    return code;
  }

  /** `kill -9`. Idempotent. */
  async kill(): Promise<void> {
    this.#child.kill('SIGKILL');
    await this.#exit;
  }
}
