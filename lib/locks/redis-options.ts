import type { Mutex } from 'redis-semaphore';

/** The commands that `RedisLocks` needs, of an ioredis client or `Cluster`. */
export type RedisClient = ConstructorParameters<typeof Mutex>[0];

/** The options of `RedisLocks`. */
export interface RedisLocksOptions {
  /** Your own client; `close` leaves it open. Give either this or `url`. */
  readonly client?: RedisClient | undefined;
  /** The server's address: `redis://…`, `rediss://…` or the path of a Unix socket. */
  readonly url?: string | undefined;
  /**
   * Keys in Redis: `mutex:{keyPrefix}{key}`. Processes that share locks need the same one.
   *
   * @default 'express-git-snapshot:'
   */
  readonly keyPrefix?: string | undefined;
  /**
   * Milliseconds after which the lock of a dead holder is free. A lock is renewed after a third of
   * that time. Risk: a holder whose event loop stands still for longer loses its locks.
   *
   * @default 15_000
   */
  readonly leaseTime?: number | undefined;
  /**
   * Milliseconds between two attempts at a key that is held, give or take a half.
   *
   * @default 100
   */
  readonly retryInterval?: number | undefined;
  /**
   * Milliseconds for the server to answer, at most 9,000; never more than `leaseTime`.
   *
   * @default 5_000
   */
  readonly responseTimeout?: number | undefined;
}
