import type { SignalOptions } from '../async/signal-options.js';

/** A lock that is held. */
export interface Lock {
  /**
   * Aborts if the lease ends while the lock is held, with a `SnapshotError` coded `LOCK_LOST`: others
   * may do the guarded work by now. This library ignores the signal: its work goes on when a lock
   * is lost.
   */
  readonly signal: AbortSignal;
  /** Gives the lock back. Idempotent; never releases a lock that another holder has by now. */
  release(): Promise<void>;
}

/** A lock that `await using` releases at the end of its block. */
export interface DisposableLock extends Lock, AsyncDisposable {}

/**
 * Mutual exclusion by key.
 *
 * - At most one holder per key at a time; different keys never wait for each other.
 * - When `signal` aborts before the lock is held, `acquire` rejects with the signal's reason and
 *   leaves the queue.
 * - A registry that cannot reach its server rejects with a `SnapshotError` coded `LOCK_UNAVAILABLE`,
 *   in less than 10 seconds: after that, callers assume that the key is held.
 */
export interface LockRegistry {
  acquire(key: string, options?: SignalOptions): Promise<Lock>;
  /** Whoever made it calls it once, after its users. Default: nothing to release. */
  close?(): Promise<void>;
}
