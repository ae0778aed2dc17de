import { randomUUID } from 'node:crypto';
import { Mutex } from 'redis-semaphore';
import { unlessAborted } from '../async/abort.js';
import { atDeadline, unlessLate } from '../async/deadline.js';
import { SnapshotError } from '../errors.js';
import type { RedisClient, RedisLocksConfig } from './redis-options.js';

/**
 * A claim to one key, under an identifier of its own.
 *
 * The commands are redis-semaphore's: `SET NX PX` to take the key, and scripts that renew or delete
 * it only while it holds the identifier. The timing is ours: its own renewal turns a connection
 * that fails into an unhandled rejection, and notices nothing while the server does not answer.
 *
 * Time is counted from before a command is sent, and by a clock that nobody sets. So the lease is
 * over here before it is over in Redis, as long as the clocks of both go equally fast.
 */
export class RedisLease {
  readonly #client: RedisClient;
  readonly #key: string;
  readonly #config: RedisLocksConfig;
  readonly #identifier = randomUUID();
  readonly #lost = new AbortController();
  #isHeld = false;
  #cancelExpiry = () => {};
  #renewal: NodeJS.Timeout | undefined;
  #givenBack: Promise<void> | undefined;

  /** @param key as it is in Redis, but for the prefix of redis-semaphore. */
  constructor(client: RedisClient, key: string, config: RedisLocksConfig) {
    this.#client = client;
    this.#key = key;
    this.#config = config;
  }

  /** Aborts when the lease is lost while it is held. */
  get signal(): AbortSignal {
    return this.#lost.signal;
  }

  /**
   * Takes the key if it is free; answers whether it was.
   *
   * @throws SnapshotError `LOCK_FAILED` when the server fails, or does not answer in time; the
   * signal's reason.
   */
  async take(signal: AbortSignal): Promise<boolean> {
    const sentAt = performance.now();
    try {
      this.#isHeld = await this.#answered(this.#mutex().tryAcquire(), signal);
    } catch (error) {
      // The command may be carried out all the same, but then before this one.
      void this.#giveBack();
      throw error;
    }
    if (this.#isHeld) this.#schedule(sentAt);
    return this.#isHeld;
  }

  /** Gives the key back, if it is still ours. Never rejects: a lease that stays ends by itself. */
  async release(): Promise<void> {
    this.#stop();
    await this.#giveBack();
  }

  /** Ends the lease although its holder still works. */
  async lose(reason: SnapshotError): Promise<void> {
    if (!this.#isHeld) return;
    this.#stop();
    this.#lost.abort(reason);
    // A renewal that was not answered may come to pass yet, and would keep others out for nothing.
    await this.#giveBack();
  }

  /** @param renewedAt before the last command that succeeded was sent. */
  #schedule(renewedAt: number): void {
    const { leaseTime } = this.#config;
    this.#cancelExpiry();
    const left = renewedAt + leaseTime - performance.now();
    const expire = () => this.#fail(`could not be renewed for ${leaseTime} ms`);
    this.#cancelExpiry = atDeadline(left, expire);
    this.#renewLater(leaseTime / 3);
  }

  #renewLater(milliseconds: number): void {
    this.#renewal = setTimeout(() => void this.#renew(), milliseconds).unref();
  }

  async #renew(): Promise<void> {
    const sentAt = performance.now();
    // A command that fails is tried again for as long as the lease lasts.
    const isOurs = await this.#mutex({ isOurs: true })
      .tryAcquire()
      .catch(() => undefined);
    if (!this.#isHeld) return;
    if (isOurs === undefined) this.#renewLater(this.#config.retryInterval);
    else if (isOurs) this.#schedule(sentAt);
    else this.#fail('is gone, or somebody else holds it');
  }

  #fail(what: string): void {
    void this.lose(new SnapshotError('LOCK_FAILED', `the lock ${this.#key} ${what}`));
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

  /** One that is ours is renewed by `tryAcquire`, and deleted by `release`. */
  #mutex({ isOurs = false } = {}): Mutex {
    return new Mutex(this.#client, this.#key, {
      identifier: this.#identifier,
      ...(isOurs && { acquiredExternally: true }),
      lockTimeout: this.#config.leaseTime,
      refreshInterval: 0,
      acquireAttemptsLimit: 1,
      retryInterval: 0,
    });
  }

  /** What the server answers, if it does in time. */
  async #answered<T>(command: Promise<T>, signal?: AbortSignal): Promise<T> {
    const { leaseTime, responseTimeout } = this.#config;
    const timeout = Math.min(responseTimeout, leaseTime);
    const late = () =>
      new SnapshotError('LOCK_FAILED', `the lock server has not answered for ${timeout} ms`);
    try {
      return await unlessAborted(unlessLate(command, timeout, late), signal);
    } catch (cause) {
      signal?.throwIfAborted();
      if (cause instanceof SnapshotError) throw cause;
      const reason = cause instanceof Error ? cause.message : String(cause);
      throw new SnapshotError('LOCK_FAILED', `the lock server failed: ${reason}`, { cause });
    }
  }
}
