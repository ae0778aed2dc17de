/** A lock that is held. */
export interface Lock {
  /**
   * Aborts when the lock was lost (its lease ended) while it was held: others may do the guarded
   * work by now.
   */
  readonly signal: AbortSignal;
  /** Gives the lock back. Idempotent; never releases a lock that somebody else holds by now. */
  release(): Promise<void>;
}

/**
 * Mutual exclusion by key.
 *
 * - At most one holder per key at a time; different keys never wait for each other.
 * - Within one process, waiters for a key get it in the order in which they asked.
 * - When `signal` aborts before the lock is held, `acquire` rejects with the signal's reason and
 *   leaves no trace in the queue.
 * - A registry that cannot reach its server rejects with a `SnapshotError` coded `LOCK_FAILED`,
 *   within 10 seconds: after that it is taken for somebody else's lock.
 */
export interface LockRegistry {
  acquire(key: string, options?: { signal?: AbortSignal | undefined }): Promise<Lock>;
  /** Called once by the owner when it shuts down. Default: nothing to release. */
  close?(): Promise<void>;
}
