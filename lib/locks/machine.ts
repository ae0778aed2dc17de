import { setMaxListeners } from 'node:events';
import { z } from 'zod';
import type { SignalOptions } from '../async/signal-options.js';
import { checkOptions, milliseconds } from '../check-options.js';
import { hasCode, SnapshotError } from '../errors.js';
import { free, LockDirectory, type TakenLock } from './lock-directory.js';
import { MemoryLocks } from './memory.js';
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
  readonly #turns = new MemoryLocks();
  readonly #held = new Set<TakenLock>();
  readonly #closing = new AbortController();
  #directory: Promise<LockDirectory> | undefined;

  constructor(options: MachineLocksOptions) {
    // Every waiter listens to this signal. Node would report that as a leak.
    setMaxListeners(0, this.#closing.signal);
    this.#config = checkOptions(schema, options, 'MachineLocks');
  }

  /** @throws SnapshotError `LOCK_UNAVAILABLE`, `CLOSED`; the signal's reason. */
  async acquire(key: string, { signal }: SignalOptions = {}): Promise<DisposableLock> {
    const closing = this.#closing.signal;
    const ends = signal === undefined ? closing : AbortSignal.any([signal, closing]);
    const turn = await this.#turns.acquire(key, { signal: ends });
    try {
      const taken = await this.#take(key, ends);
      this.#held.add(taken);
      const release = async () => {
        this.#held.delete(taken);
        await free(taken);
        await turn.release();
      };
      return { signal: taken.socket.signal, release, [Symbol.asyncDispose]: release };
    } catch (error) {
      await turn.release();
      throw error;
    }
  }

  /** Rejects all waiters, and ends all locks. Idempotent. */
  async close(): Promise<void> {
    const reason = new SnapshotError('CLOSED', 'the lock registry was closed');
    this.#closing.abort(reason);
    for (const { socket } of this.#held) socket.lose(reason);
    await Promise.all([...this.#held].map(free));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #take(key: string, signal: AbortSignal): Promise<TakenLock> {
    try {
      const directory = await this.#opened();
      for (;;) {
        signal.throwIfAborted();
        const taken = await directory.take(key);
        if (taken !== undefined && !signal.aborted) return taken;
        if (taken !== undefined) await free(taken);
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
