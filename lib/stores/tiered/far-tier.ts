import { unlessAborted } from '../../abort.js';
import { SnapshotError } from '../../errors.js';
import type { ListOptions, ObjectWriter, SnapshotStore, StoredObject } from '../store.js';
import { TierWrite } from './tier-write.js';
import { storeError, within } from './within.js';

export interface FarTierOptions {
  readonly responseTimeout: number;
  readonly stallTimeout: number;
  readonly retryInterval: number;
  readonly onFailure: (key: string | undefined, error: SnapshotError) => void;
}

/** The far store, and whether it is worth while to ask it. */
export class FarTier {
  readonly #store: SnapshotStore;
  readonly #options: FarTierOptions;
  /** By `performance.now()`. */
  #downUntil = Number.NEGATIVE_INFINITY;

  constructor(store: SnapshotStore, options: FarTierOptions) {
    this.#store = store;
    this.#options = options;
  }

  /** It failed lately. */
  get isDown(): boolean {
    return performance.now() < this.#downUntil;
  }

  /**
   * The answer to a question; `undefined` when there is none.
   *
   * @throws the signal's reason, and nothing else.
   */
  async ask<T>(
    key: string,
    question: (store: SnapshotStore) => Promise<T>,
    signal?: AbortSignal,
  ): Promise<{ readonly value: T } | undefined> {
    if (this.isDown) return undefined;
    try {
      return { value: await unlessAborted(this.#inTime(question(this.#store)), signal) };
    } catch (error) {
      signal?.throwIfAborted();
      this.fail(key, error);
      return undefined;
    }
  }

  /** What has to be done, whether or not it failed lately. */
  async insist(key: string, work: (store: SnapshotStore) => Promise<void>): Promise<void> {
    try {
      await this.#inTime(work(this.#store));
    } catch (error) {
      throw this.fail(key, error);
    }
  }

  /**
   * Begins a write.
   *
   * @throws SnapshotError `PRECONDITION_FAILED`
   */
  async write(
    key: string,
    create: (store: SnapshotStore) => Promise<ObjectWriter>,
  ): Promise<TierWrite> {
    if (this.isDown) return TierWrite.none();
    return await TierWrite.begin(() => create(this.#store), {
      timeout: this.#options.stallTimeout,
      onFailure: (error) => this.fail(key, error),
      mayBeRefused: true,
    });
  }

  /** All objects. Throws what has been reported. */
  async *list(options?: ListOptions): AsyncGenerator<StoredObject> {
    if (this.isDown) throw new SnapshotError('STORE_FAILED', 'the far tier failed just now');
    const objects = this.#store.list(options)[Symbol.asyncIterator]();
    try {
      for (;;) {
        const { done, value } = await this.#inTime(objects.next()).catch((error) => {
          throw this.fail(undefined, error);
        });
        if (done) return;
        yield value;
      }
    } finally {
      objects.return?.().catch(() => {}); // a generator that hangs does not come to that
    }
  }

  /** Takes note of a failure, and gives it a code. */
  fail(key: string | undefined, error: unknown): SnapshotError {
    const failure = storeError(error);
    this.#downUntil = performance.now() + this.#options.retryInterval;
    this.#options.onFailure(key, failure);
    return failure;
  }

  #inTime<T>(work: Promise<T>): Promise<T> {
    return within(this.#options.responseTimeout, work);
  }
}
