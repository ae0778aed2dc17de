import { setMaxListeners } from 'node:events';
import { setTimeout } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { unlessAborted } from '../async/abort.js';
import { elapsedSince, now, type Time } from '../async/clock.js';
import { unlessLate } from '../async/deadline.js';
import type { SignalOptions } from '../async/signal-options.js';
import { checkOptions } from '../check-options.js';
import { SnapshotError } from '../errors.js';
import { MemoryLocks } from './memory.js';
import { RedisLease } from './redis-lease.js';
import type { RedisLocksOptions } from './redis-options.js';
import { type RedisLocksConfig, redisLocksSchema } from './redis-schema.js';
import type { DisposableLock, LockRegistry } from './registry.js';

export type { RedisLocksOptions } from './redis-options.js';

/**
 * Locks in Redis, for processes on many machines. A lock is a lease that is renewed while it is
 * held. If its process dies, the lock is free when the lease ends.
 *
 * - In one process, waiters for a key queue, and only the first one calls Redis. Processes do not
 *   queue: the first process that asks for a free key gets it.
 * - `signal` of a lock aborts when the lease is lost: the server could not be reached before the
 *   lease ended, or it has lost the key or given it to another holder. A lost lease stays lost.
 * - These locks are only leases. A process that stands still for longer than its lease goes on
 *   beside the next holder, and a Redis that fails over to a replica may forget locks. So a lock
 *   only saves work: the store decides which result stays. There is no fencing token: a store that
 *   writes conditionally keeps a result only if the version that was stored when the work began is
 *   still stored.
 *
 * @throws SnapshotError `INVALID_OPTIONS` from the constructor.
 */
export class RedisLocks implements LockRegistry, AsyncDisposable {
  readonly #config: RedisLocksConfig;
  /** Set if this registry made the client. */
  #ownClient: Redis | undefined;
  readonly #turns = new MemoryLocks();
  readonly #held = new Set<RedisLease>();
  readonly #closing = new AbortController();
  /** The last failure of the server, and when it was. */
  #failure: { readonly error: unknown; readonly at: Time } | undefined;
  /** The failure of our own client since its last connection. */
  #connectionFailure: Error | undefined;
  #closed: Promise<void> | undefined;

  constructor(options: RedisLocksOptions) {
    // Every waiter listens to this signal. Node would report that as a leak.
    setMaxListeners(0, this.#closing.signal);
    const config = checkOptions(redisLocksSchema, options, 'RedisLocks');
    const { client, url = '' } = config;
    this.#config = { ...config, client: client ?? this.#connectLater(url) };
  }

  /** @throws SnapshotError `LOCK_UNAVAILABLE`, `CLOSED`; the signal's reason. */
  async acquire(key: string, { signal }: SignalOptions = {}): Promise<DisposableLock> {
    const askedAt = now();
    const closing = this.#closing.signal;
    const ends = signal === undefined ? closing : AbortSignal.any([signal, closing]);
    const turn = await this.#turns.acquire(key, { signal: ends });
    try {
      this.#throwIfJustFailed(askedAt);
      const lease = await this.#lease(key, ends);
      this.#held.add(lease);
      const release = async () => {
        this.#held.delete(lease);
        await lease.release();
        await turn.release();
      };
      return { signal: lease.signal, release, [Symbol.asyncDispose]: release };
    } catch (error) {
      await turn.release();
      throw error;
    }
  }

  /** Rejects all waiters, ends all leases, and closes the connection that it made. Idempotent. */
  async close(): Promise<void> {
    this.#closed ??= this.#close();
    await this.#closed;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #lease(key: string, signal: AbortSignal): Promise<RedisLease> {
    const lease = new RedisLease(`${this.#config.keyPrefix}${key}`, this.#config);
    try {
      while (!(await lease.take(signal))) {
        this.#failure = undefined;
        // Processes that wait must not all call Redis at the same time.
        const pause = this.#config.retryInterval * (0.5 + Math.random());
        await unlessAborted(setTimeout(pause, undefined, { signal, ref: false }), signal);
      }
      this.#failure = undefined;
      return lease;
    } catch (cause) {
      if (signal.aborted) throw cause;
      const error = this.#withConnectionFailure(cause);
      this.#failure = { error, at: now() };
      throw error;
    }
  }

  /** Adds why the server could not be reached: the error of a command does not tell that. */
  #withConnectionFailure(error: unknown): unknown {
    const failure = this.#connectionFailure;
    if (failure === undefined || !SnapshotError.is(error)) return error;
    const reasons = failure instanceof AggregateError ? failure.errors : [failure];
    const reason = reasons.map(({ message }) => message).join(', ');
    return new SnapshotError(error.code, `${error.message}: ${reason}`, { cause: failure });
  }

  /**
   * Throws a recent failure that came after the call. Otherwise, while the server is down, each
   * waiter in the queue would wait for it in turn.
   */
  #throwIfJustFailed(askedAt: Time): void {
    if (this.#failure === undefined) return;
    const { error, at } = this.#failure;
    const isRecent = elapsedSince(at) < this.#config.responseTimeout;
    if (isRecent && at >= askedAt) throw error;
  }

  async #close(): Promise<void> {
    const reason = new SnapshotError('CLOSED', 'the lock registry was closed');
    this.#closing.abort(reason);
    await Promise.all([...this.#held].map((lease) => lease.lose(reason)));
    const client = this.#ownClient;
    if (client?.status !== 'ready') return client?.disconnect();
    const ended = new Promise<void>((resolve) => client.once('end', resolve));
    const late = () => new SnapshotError('LOCK_UNAVAILABLE', 'the lock server did not close');
    const quit = Promise.all([client.quit(), ended]);
    await unlessLate(quit, this.#config.responseTimeout, late).catch(() => client.disconnect());
  }

  /** Makes our own client, which connects with the first command. */
  #connectLater(url: string): Redis {
    const client = new Redis(url, {
      lazyConnect: true,
      // About a second: clients do not notice a short restart, and no queue grows in an outage.
      maxRetriesPerRequest: 3,
      retryStrategy: () => 250,
      // No answer is outstanding by then: a timer would only keep the process alive.
      disconnectTimeout: 0,
    });
    client.on('error', (error) => {
      this.#connectionFailure = error;
    });
    client.on('ready', () => {
      this.#connectionFailure = undefined;
    });
    this.#ownClient = client;
    return client;
  }
}
