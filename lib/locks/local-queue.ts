import { setMaxListeners } from 'node:events';
import type { SignalOptions } from '../async/signal-options.js';
import { SnapshotError } from '../errors.js';
import { MemoryLocks } from './memory.js';
import type { DisposableLock, Lock } from './registry.js';

/** A lock that other processes see. */
export interface SharedLock extends Lock {
  /** Ends the lock although its holder still works. */
  lose(reason: SnapshotError): Promise<void>;
}

/**
 * The callers of this process, in front of locks that it shares with other processes: callers for
 * a key queue, and only the first one asks the other processes.
 */
export class LocalQueue {
  readonly #turns = new MemoryLocks();
  readonly #held = new Set<SharedLock>();
  readonly #closing = new AbortController();

  constructor() {
    // Every waiter listens to this signal. Node would report that as a leak.
    setMaxListeners(0, this.#closing.signal);
  }

  /** Aborts when the registry is closed. */
  get closing(): AbortSignal {
    return this.#closing.signal;
  }

  /**
   * @param take takes the shared lock, when the caller's turn has come.
   * @throws SnapshotError `CLOSED`; the error of `take`; the signal's reason.
   */
  async acquire(
    key: string,
    { signal }: SignalOptions,
    take: (signal: AbortSignal) => Promise<SharedLock>,
  ): Promise<DisposableLock> {
    const ends = signal === undefined ? this.closing : AbortSignal.any([signal, this.closing]);
    const turn = await this.#turns.acquire(key, { signal: ends });
    try {
      const held = await take(ends);
      this.#held.add(held);
      const release = async () => {
        this.#held.delete(held);
        await held.release();
        await turn.release();
      };
      return { signal: held.signal, release, [Symbol.asyncDispose]: release };
    } catch (error) {
      await turn.release();
      throw error;
    }
  }

  /** Rejects all waiters, and ends all locks. Idempotent. */
  async close(): Promise<void> {
    const reason = new SnapshotError('CLOSED', 'the lock registry was closed');
    this.#closing.abort(reason);
    await Promise.all([...this.#held].map((held) => held.lose(reason)));
  }
}
