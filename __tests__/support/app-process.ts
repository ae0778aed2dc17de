import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import type { S3ClientConfig } from '@aws-sdk/client-s3';
import type { HostAppOptions } from './host-app.js';

/** Options that are plain data. */
export interface AppProgramOptions extends HostAppOptions {
  /**
   * A file that gets a line with the name of each event. Of the store: `storing` before a snapshot is
   * written, `written` when it has some of the bytes, `stored` when it has all.
   */
  log: string;
  /** The store takes copies rather than files. */
  copying?: boolean;
  /** It shares store and locks with others. */
  fleet?: FleetOptions;
}

export interface FleetOptions {
  /** The URL of the Redis server. */
  readonly redisUrl: string;
  /** Milliseconds. */
  readonly leaseTime: number;
  readonly bucket: string;
  readonly s3: S3ClientConfig;
}

/** The process kills itself at an event of the log: the `nth` of this name from now on. */
export interface KillOrder {
  readonly kind: 'kill';
  readonly at: string;
  /** Default: the first one. */
  readonly nth?: number;
  /** Turns of the event loop before that. Default: 0. */
  readonly turns?: number;
}

export type AppOrder =
  | KillOrder
  | { readonly kind: 'watch-work' }
  | { readonly kind: 'tell-work'; readonly refs: number };

/** CPU milliseconds of the thread that answers requests. */
export interface Work {
  /** The longest turn of the event loop. */
  readonly longest: number;
  /** The time for reading a list of refs once. */
  readonly yardstick: number;
}

/** A host app in a process of its own, which can be killed and has an event loop of its own. */
export class AppProcess {
  readonly url: string;
  readonly #child: ChildProcess;
  readonly #exit: Promise<unknown>;
  readonly #log: string;

  private constructor(child: ChildProcess, url: string, log: string) {
    this.#child = child;
    this.#exit = once(child, 'exit');
    this.#log = log;
    this.url = url;
  }

  /**
   * Resolves when the app's service has started.
   *
   * @param execArgv options of node.
   */
  static async start(
    options: AppProgramOptions,
    execArgv: readonly string[] = [],
  ): Promise<AppProcess> {
    const program = fileURLToPath(new URL('./app-program.js', import.meta.url));
    const child = fork(program, [JSON.stringify(options)], { execArgv: [...execArgv] });
    const [message] = await Promise.race([
      once(child, 'message'),
      once(child, 'exit').then(() => Promise.reject(new Error('the app did not start'))),
    ]);
    return new AppProcess(child, message.url, options.log);
  }

  order(order: AppOrder): void {
    this.#child.send(order);
  }

  /** The work since `watch-work`. */
  async work(refs: number): Promise<Work> {
    this.order({ kind: 'tell-work', refs });
    const [work] = await once(this.#child, 'message');
    return work;
  }

  /** The names of the events so far, of all processes with this log. */
  async events(): Promise<string[]> {
    const text = await readFile(this.#log, 'utf8').catch(() => '');
    return text.split('\n').filter((line) => line !== '');
  }

  /** Resolves when the process is gone. */
  async gone(): Promise<void> {
    await this.#exit;
  }

  /** `kill -9`. Idempotent. */
  async kill(): Promise<void> {
    this.#child.kill('SIGKILL');
    await this.#exit;
  }
}
