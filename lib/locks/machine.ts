import { z } from 'zod';
import type { SignalOptions } from '../async/signal-options.js';
import { checkOptions, milliseconds } from '../check-options.js';
import { hasCode, SnapshotError } from '../errors.js';
import { LocalQueue, type SharedLock } from './local-queue.js';
import { LockDirectory } from './lock-directory.js';
import type { DisposableLock, LockRegistry } from './registry.js';

/** The options of `MachineLocks`. */
export interface MachineLocksOptions {
  /**
   * Created if missing. Processes that name the same directory share their locks. It must be on a
   * local file system that has Unix sockets.
   */
  readonly directory: string;
  /**
   * Milliseconds after which another process takes the lock of a process that stands still. Risk: a
   * holder whose event loop stands still for longer loses its locks.
   *
   * @default 15_000
   */
  readonly leaseTime?: number | undefined;
}

const schema = z.strictObject({
  directory: z.string().min(1, 'must be a path'),
  leaseTime: milliseconds.min(100).default(15_000),
});

/**
 * Locks for all processes on this machine, without a server: each held lock is a Unix socket or,
 * on Windows, a named pipe. If a process dies, the kernel frees its locks at once.
 *
 * - In one process, waiters for a key queue. Processes do not queue: the first process that asks
 *   for a free key gets it.
 * - `signal` of a lock aborts when this process stood still for longer than `leaseTime` while another
 *   process waited: by then, the other process has the lock.
 *
 * @throws SnapshotError `INVALID_OPTIONS` from the constructor.
 */
export class MachineLocks implements LockRegistry, AsyncDisposable {
  readonly #config: z.output<typeof schema>;
  readonly #queue = new LocalQueue();
  #directory: Promise<LockDirectory> | undefined;

  constructor(options: MachineLocksOptions) {
    this.#config = checkOptions(schema, options, 'MachineLocks');
  }

  /** @throws SnapshotError `LOCK_UNAVAILABLE`, `CLOSED`; the signal's reason. */
  async acquire(key: string, options: SignalOptions = {}): Promise<DisposableLock> {
    return await this.#queue.acquire(key, options, (signal) => this.#take(key, signal));
  }

  /** Rejects all waiters, and ends all locks. Idempotent. */
  async close(): Promise<void> {
    await this.#queue.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #take(key: string, signal: AbortSignal): Promise<SharedLock> {
    try {
      const directory = await this.#opened();
      for (;;) {
        signal.throwIfAborted();
        const taken = await directory.take(key);
        if (taken !== undefined && !signal.aborted) return taken;
        if (taken !== undefined) await taken.release();
        else await directory.untilFree(key, signal);
      }
    } catch (cause) {
      signal.throwIfAborted();
      if (!hasCode(cause)) throw cause;
      const message = `this directory can't hold locks: ${cause.message}`;
      throw new SnapshotError('LOCK_UNAVAILABLE', message, { cause });
    }
  }

  /** A failure is forgotten: the next call tries again. */
  #opened(): Promise<LockDirectory> {
    const { directory, leaseTime } = this.#config;
    this.#directory ??= LockDirectory.open(directory, leaseTime).catch((error: unknown) => {
      this.#directory = undefined;
      throw error;
    });
    return this.#directory;
  }
}
