import { randomUUID } from 'node:crypto';
import { Mutex } from 'redis-semaphore';
import { unlessAborted } from '../async/abort.js';
import { elapsedSince, now, type Time } from '../async/clock.js';
import { atDeadline, unlessLate } from '../async/deadline.js';
import { messageOf, SnapshotError } from '../errors.js';
import type { RedisLocksConfig } from './redis-schema.js';

/**
 * A lease of one key, under its own identifier.
 *
 * The commands are redis-semaphore's: `SET NX PX` takes the key, and scripts renew or delete it
 * only while it holds the identifier. The timing is ours, because redis-semaphore's own renewal
 * turns a failed connection into an unhandled rejection, and does not notice a server that does not
 * answer.
 *
 * Time is measured by a monotonic clock, from just before a command is sent. So the lease ends here
 * before it ends in Redis, if both clocks run equally fast.
 */
export class RedisLease {
  readonly #key: string;
  readonly #config: RedisLocksConfig;
  readonly #identifier = randomUUID();
  readonly #lost = new AbortController();
  #isHeld = false;
  #cancelExpiry = () => {};
  #renewal: NodeJS.Timeout | undefined;
  #givenBack: Promise<void> | undefined;

  /** @param key the key in Redis, without redis-semaphore's prefix. */
  constructor(key: string, config: RedisLocksConfig) {
    this.#key = key;
    this.#config = config;
  }

  /** Aborts when the lease is lost. */
  get signal(): AbortSignal {
    return this.#lost.signal;
  }

  /**
   * Takes the key if it is free, and returns whether it was free.
   *
   * @throws SnapshotError `LOCK_UNAVAILABLE` when the server fails, or does not answer in time; the
   * signal's reason.
   */
  async take(signal: AbortSignal): Promise<boolean> {
    const sentAt = now();
    try {
      this.#isHeld = await this.#answered(this.#mutex().tryAcquire(), signal);
    } catch (error) {
      // The server may still take the key, but it does so before it gets this release.
      void this.#giveBack();
      throw error;
    }
    if (this.#isHeld) this.#schedule(sentAt);
    return this.#isHeld;
  }

  /** Gives the key back if it is still ours. Never rejects: if this fails, the lease expires. */
  async release(): Promise<void> {
    this.#stop();
    await this.#giveBack();
  }

  /** Ends the lease although its holder still works. */
  async lose(reason: SnapshotError): Promise<void> {
    if (!this.#isHeld) return;
    this.#stop();
    this.#lost.abort(reason);
    // A renewal without an answer may still take effect, and exclude others without need.
    await this.#giveBack();
  }

  /** @param renewedAt when the last successful command was sent. */
  #schedule(renewedAt: Time): void {
    const { leaseTime } = this.#config;
    this.#cancelExpiry();
    const left = leaseTime - elapsedSince(renewedAt);
    const expire = () => this.#fail(`could not be renewed for ${leaseTime} ms`);
    this.#cancelExpiry = atDeadline(left, expire);
    this.#renewLater(leaseTime / 3);
  }

  #renewLater(milliseconds: number): void {
    this.#renewal = setTimeout(() => void this.#renew(), milliseconds).unref();
  }

  async #renew(): Promise<void> {
    const sentAt = now();
    // A failed command is retried until the lease ends.
    const isOurs = await this.#mutex({ isOurs: true })
      .tryAcquire()
      .catch(() => undefined);
    if (!this.#isHeld) return;
    if (isOurs === undefined) this.#renewLater(this.#config.retryInterval);
    else if (isOurs) this.#schedule(sentAt);
    else this.#fail('is gone, or somebody else holds it');
  }

  #fail(what: string): void {
    void this.lose(new SnapshotError('LOCK_LOST', `the lock ${this.#key} ${what}`));
  }

  #stop(): void {
    this.#isHeld = false;
    this.#cancelExpiry();
    clearTimeout(this.#renewal);
  }

  #giveBack(): Promise<void> {
    this.#givenBack ??= this.#answered(this.#mutex({ isOurs: true }).release()).catch(() => {});
    return this.#givenBack;
  }

  /** `isOurs`: `tryAcquire` renews the key, and `release` deletes it. */
  #mutex({ isOurs = false } = {}): Mutex {
    return new Mutex(this.#config.client, this.#key, {
      identifier: this.#identifier,
      ...(isOurs && { acquiredExternally: true }),
      lockTimeout: this.#config.leaseTime,
      refreshInterval: 0,
      acquireAttemptsLimit: 1,
      retryInterval: 0,
    });
  }

  /** Waits for the server's answer, for a limited time. */
  async #answered<T>(command: Promise<T>, signal?: AbortSignal): Promise<T> {
    const { leaseTime, responseTimeout } = this.#config;
    const timeout = Math.min(responseTimeout, leaseTime);
    const late = () =>
      new SnapshotError('LOCK_UNAVAILABLE', `the lock server has not answered for ${timeout} ms`);
    try {
      return await unlessAborted(unlessLate(command, timeout, late), signal);
    } catch (cause) {
      signal?.throwIfAborted();
      if (SnapshotError.is(cause)) throw cause;
      const message = `the lock server failed: ${messageOf(cause)}`;
      throw new SnapshotError('LOCK_UNAVAILABLE', message, { cause });
    }
  }
}
