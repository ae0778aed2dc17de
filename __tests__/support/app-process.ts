import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import type { S3ClientConfig } from '@aws-sdk/client-s3';
import type { HostAppOptions } from './host-app.js';

/** Options that are plain data. */
export interface AppProgramOptions extends HostAppOptions {
  /**
   * A file that gets a line for each event: its name. `storing`, `written`, `stored`: the store is about to
   * take a snapshot, has some of its bytes, has it.
   */
  log: string;
  /** The store takes copies rather than files. */
  copying?: boolean;
  /** It shares store and locks with others. */
  fleet?: FleetOptions;
}

export interface FleetOptions {
  /** Of the Redis server. */
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
  /** How often the event loop turns before that. Default: not at all. */
  readonly turns?: number;
}

export type AppOrder =
  | KillOrder
  | { readonly kind: 'watch-work' }
  | { readonly kind: 'tell-work'; readonly refs: number };

/** Of the thread that answers requests, in milliseconds of a processor. */
export interface Work {
  /** At a stretch, at most. */
  readonly longest: number;
  /** What it would take to read a list of so many refs once. */
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

  /** Resolves when the app's service has started. */
  static async start(options: AppProgramOptions): Promise<AppProcess> {
    const program = fileURLToPath(new URL('./app-program.js', import.meta.url));
    const child = fork(program, [JSON.stringify(options)], { execArgv: [] });
    const [message] = await Promise.race([
      once(child, 'message'),
      once(child, 'exit').then(() => Promise.reject(new Error('the app did not start'))),
    ]);
    return new AppProcess(child, message.url, options.log);
  }

  order(order: AppOrder): void {
    this.#child.send(order);
  }

  /** What was done since `watch-work`. */
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
