import { LRUCache } from 'lru-cache';
import { unlessAborted } from '../../async/abort.js';
import { SnapshotError } from '../../errors.js';
import { checkingFirst, replacedVersions } from '../abilities.js';
import type {
  CreateOptions,
  ListOptions,
  Metadata,
  OpenedObject,
  OpenOptions,
  SnapshotStore,
  StoredObject,
  WriteCondition,
} from '../store.js';
import { BestEffortWrite } from './best-effort-write.js';
import { StoreStalled, toStoreError, unlessStalled } from './stall-timeout.js';

export interface FarCircuitBreakerOptions {
  readonly responseTimeout: number;
  readonly stallTimeout: number;
  readonly retryInterval: number;
  readonly onFailure: (key: string | undefined, error: SnapshotError) => void;
}

type Method = 'stat' | 'replaced';

const MAX_REMEMBERED = 10_000;
/** Nothing is stored under it. */
const PROBE = 'probe/';

/**
 * The far store, and whether it is worth while to ask it.
 *
 * A failure may be of one object alone: access to it is denied, it was archived, its bytes are damaged. So a
 * store that failed about a key, and did not just hang, is asked about another one, under which nothing is
 * stored. Only when it fails about that as well, it is not asked about anything for a while.
 */
export class FarCircuitBreaker {
  readonly #store: SnapshotStore;
  readonly #options: FarCircuitBreakerOptions;
  /** By `performance.now()`. */
  #downUntil = Number.NEGATIVE_INFINITY;
  #probe: Promise<void> | undefined;
  /** Method and key for which it failed → until when it is not asked that again: by `performance.now()`. */
  readonly #failing = new LRUCache<string, number>({ max: MAX_REMEMBERED });
  /** Key → the revision that it failed to give, and until when it is not asked for again. It may be gone. */
  readonly #unreadable = new LRUCache<
    string,
    { readonly revision: string; readonly until: number }
  >({ max: MAX_REMEMBERED });

  constructor(store: SnapshotStore, options: FarCircuitBreakerOptions) {
    this.#store = store;
    this.#options = options;
  }

  /** Whether it says that it has a revision, and lately could not give it. */
  isUnreadable({ key, revision }: StoredObject): boolean {
    const unreadable = this.#unreadable.get(key);
    return unreadable?.revision === revision && performance.now() < unreadable.until;
  }

  /**
   * What is stored, as `value`; `undefined` when there is no answer.
   *
   * @throws the signal's reason, and nothing else.
   */
  stat(
    key: string,
    signal?: AbortSignal | undefined,
  ): Promise<{ readonly value: StoredObject | undefined } | undefined> {
    return this.#answer('stat', key, (store) => store.stat(key, { signal }), signal);
  }

  /**
   * The replaced revisions of an object; none when there is no answer.
   *
   * @throws the signal's reason, and nothing else.
   */
  async replaced(key: string, signal?: AbortSignal | undefined): Promise<readonly StoredObject[]> {
    const question = (store: SnapshotStore) => replacedVersions(store, key, { signal });
    return (await this.#answer('replaced', key, question, signal))?.value ?? [];
  }

  /**
   * Opens an object, or a part of it; `undefined` when it does not have it, or can't give it. A body that
   * comes too late is nobody's.
   *
   * @throws the signal's reason; RangeError.
   */
  async open(key: string, options: OpenOptions): Promise<OpenedObject | undefined> {
    const { signal, revision } = options;
    if (await this.#isDown(signal)) return undefined;
    const late = new AbortController();
    const ends = signal === undefined ? late.signal : AbortSignal.any([signal, late.signal]);
    const opening = this.#store.open(key, { ...options, signal: ends }).then(listenedTo);
    try {
      return await unlessAborted(this.#inTime(opening), signal);
    } catch (error) {
      late.abort();
      signal?.throwIfAborted();
      // A range that lies outside is the caller's mistake.
      if (error instanceof RangeError) throw error;
      this.failReading(key, revision, error);
      return undefined;
    }
  }

  /** Takes note that it did not give what it has. */
  failReading(key: string, revision: string | undefined, error: unknown): SnapshotError {
    if (revision !== undefined) this.#unreadable.set(key, { revision, until: this.#retryAt() });
    return this.fail(key, error);
  }

  /** Takes note that it gave all of a revision. */
  succeedReading({ key, revision }: StoredObject): void {
    if (this.#unreadable.get(key)?.revision === revision) this.#unreadable.delete(key);
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
  async write(key: string, metadata: Metadata, options: CreateOptions): Promise<BestEffortWrite> {
    const replaces = await this.#toReplace(key, options.replaces);
    if (await this.#isDown()) return BestEffortWrite.none();
    const store = this.#store;
    const create = async () => {
      const writer = await store.create(key, metadata, { ...options, replaces });
      return checkingFirst(store, key, { replaces }, writer);
    };
    return await BestEffortWrite.begin(create, {
      timeout: this.#options.stallTimeout,
      onFailure: (error) => this.fail(key, error),
      mayBeRefused: true,
    });
  }

  /** All objects. Throws what has been reported. */
  async *list(options?: ListOptions): AsyncGenerator<StoredObject> {
    if (await this.#isDown())
      throw new SnapshotError('STORE_FAILED', 'the far tier failed just now');
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
  fail(key: string | undefined, error: unknown, method?: Method): SnapshotError {
    const failure = toStoreError(error);
    // A list of replaced revisions may take long while the store answers everything else at once.
    if (failure instanceof StoreStalled && method !== 'replaced') this.#downUntil = this.#retryAt();
    else this.#probe ??= this.#ask();
    this.#options.onFailure(key, failure);
    return failure;
  }

  /**
   * What a write takes the place of. Its caller may have been told that nothing is stored because a revision could
   * not be given: then the write replaces that revision, however long ago that was, if it is still there.
   */
  async #toReplace(key: string, replaces: WriteCondition): Promise<WriteCondition> {
    const unreadable = this.#unreadable.get(key);
    if (replaces !== null || unreadable === undefined) return replaces;
    const answer = await this.stat(key);
    const isThere = answer === undefined || answer.value?.revision === unreadable.revision;
    if (isThere) return unreadable.revision;
    this.#unreadable.delete(key);
    return null;
  }

  /** The answer of one method; `undefined` when there is none. A failure does not affect the other method. */
  async #answer<T>(
    method: Method,
    key: string,
    question: (store: SnapshotStore) => Promise<T>,
    signal: AbortSignal | undefined,
  ): Promise<{ readonly value: T } | undefined> {
    if (await this.#isDown(signal)) return undefined;
    const asked = `${method} ${key}`;
    if (performance.now() < (this.#failing.get(asked) ?? 0)) return undefined;
    try {
      return { value: await unlessAborted(this.#inTime(question(this.#store)), signal) };
    } catch (error) {
      signal?.throwIfAborted();
      this.#failing.set(asked, this.#retryAt());
      this.fail(key, error, method);
      return undefined;
    }
  }

  /** Whether it failed lately about what was no particular object's. */
  async #isDown(signal?: AbortSignal | undefined): Promise<boolean> {
    await unlessAborted(this.#probe ?? Promise.resolve(), signal);
    return performance.now() < this.#downUntil;
  }

  async #ask(): Promise<void> {
    try {
      await this.#inTime(this.#store.stat(PROBE));
    } catch {
      // What led to the question has been reported.
      this.#downUntil = this.#retryAt();
    } finally {
      this.#probe = undefined;
    }
  }

  #retryAt(): number {
    return performance.now() + this.#options.retryInterval;
  }

  #inTime<T>(work: Promise<T>): Promise<T> {
    return unlessStalled(this.#options.responseTimeout, work);
  }
}

/** A body that fails while nobody reads it would end the process. Who reads it is told all the same. */
export function listenedTo(opened: OpenedObject | undefined): OpenedObject | undefined {
  opened?.body.on('error', () => {});
  return opened;
}
