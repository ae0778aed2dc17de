import type { SignalOptions } from '../async/signal-options.js';
import type { SnapshotError } from '../errors.js';

/** A lock that is held. */
export interface Lock {
  /**
   * Aborts if the lock is lost before its release, as a lease that could not be renewed is, with a
   * `SnapshotError` coded `LOCK_LOST`: others may do the guarded work by now. This library ignores
   * the signal: its work goes on when a lock is lost.
   */
  readonly signal: AbortSignal;
  /** Gives the lock back. Idempotent; never releases a lock that another holder has by now. */
  release(): Promise<void>;
}

/** A lock that `await using` releases at the end of its block. */
export interface DisposableLock extends Lock, AsyncDisposable {}

/**
 * Mutual exclusion by key. `lockContract`, of `express-git-snapshot/testing`, tests a registry of your
 * own against this contract.
 *
 * - At most one holder per key at a time; different keys never wait for each other. Different
 *   strings are different keys.
 * - `acquire` waits until the key is free, for as long as that takes. Waiters get the key in any
 *   order.
 * - The caller holds the lock until it calls `release`: a registry of leases renews them by itself.
 * - When `signal` aborts before the lock is held, `acquire` rejects with the signal's reason and
 *   leaves the queue.
 * - If a registry cannot reach its server, `acquire` MUST reject within 10 seconds, with a
 *   `SnapshotError` coded `LOCK_UNAVAILABLE`. A caller that has waited longer takes the key for held
 *   by another caller.
 */
export interface LockRegistry {
  acquire(key: string, options?: SignalOptions): Promise<Lock>;
  /**
   * Optional: rejects with a `SnapshotError` coded `INVALID_OPTIONS` if the registry can never work as
   * it is configured, such as with a wrong password. Resolves if its server can't be reached: that
   * may change. The service calls this when it starts: if it rejects, the service does not start.
   */
  ready?(): Promise<void>;
  /**
   * Optional: the failure because of which the registry works only in part at the moment, such as with
   * its fallback. `undefined`: it works. `service.health()` warns of it.
   */
  readonly degradation?: SnapshotError | undefined;
  /**
   * Optional: releases what the registry holds. The app that made the registry calls it once, when
   * nothing uses the registry any more: the router and the service do not close it.
   */
  close?(): Promise<void>;
}
