import { unlessAborted } from '../../async/abort.js';
import { after, LONG_AGO, now, type Time } from '../../async/clock.js';
import { recentlyUsed } from '../../async/recently-used.js';
import { SingleFlight } from '../../async/single-flight.js';
import { SnapshotError } from '../../errors.js';
import { withErrorListener } from '../body.js';
import type {
  ListOptions,
  OpenedObject,
  OpenOptions,
  PutOptions,
  SnapshotStore,
  StoredObject,
  WriteCondition,
} from '../store.js';
import { isPreconditionFailure, withConditionCheck } from '../write-condition.js';
import { BestEffortWrite, type Put } from './best-effort-write.js';
import { StoreStalled, toStoreError, unlessStalled } from './idle-timeout.js';

export interface CircuitBreakerOptions {
  readonly responseTimeout: number;
  readonly idleTimeout: number;
  readonly retryInterval: number;
  readonly onFailure: (key: string | undefined, error: SnapshotError) => void;
}

interface Unreadable {
  readonly revision: string;
  /** The revision counts as a miss until then. */
  readonly until: Time;
}

type Method = 'stat' | 'listReplaced';

const MAX_REMEMBERED = 10_000;
/** A key under which nothing is stored. */
const PROBE = 'probe/';

/**
 * A circuit breaker for the shared store: after a failure, the store is not called for a while.
 *
 * A failure may concern one object only: access to it is denied, it was archived, its bytes are
 * damaged. So after a failure for one key, unless it is a stall, this class asks the shared store for
 * a key that is never stored. Only if that fails too, the store is not called for any key for a
 * while. A list that fails or stalls counts as a failure for one key.
 */
export class CircuitBreaker {
  readonly #store: SnapshotStore;
  readonly #options: CircuitBreakerOptions;
  /** The circuit is open until then. */
  #openUntil = LONG_AGO;
  /** Why the circuit was opened, until the store answers again. */
  #outage: SnapshotError | undefined;
  readonly #probes = new SingleFlight<void>();
  /** Method and key that failed → until when it is not called again. */
  readonly #failing = recentlyUsed<string, Time>(MAX_REMEMBERED);
  /** Key → the revision that could not be read. It may be gone by now. */
  readonly #unreadable = recentlyUsed<string, Unreadable>(MAX_REMEMBERED);

  constructor(store: SnapshotStore, options: CircuitBreakerOptions) {
    this.#store = store;
    this.#options = options;
  }

  /** Why the shared store is not called, or was not at last; `undefined`: it has answered since. */
  get outage(): SnapshotError | undefined {
    return this.#outage;
  }

  /** Whether the shared store recently failed to give a revision that it claims to have. */
  isUnreadable({ key, revision }: StoredObject): boolean {
    const unreadable = this.#unreadable.get(key);
    return unreadable?.revision === revision && now() < unreadable.until;
  }

  /**
   * Describes what is stored.
   *
   * @throws the signal's reason, and nothing else.
   */
  stat(key: string, signal?: AbortSignal): Promise<StoredObject | undefined | 'unanswered'> {
    return this.#answer('stat', key, () => this.#store.stat(key, { signal }), signal);
  }

  /**
   * Lists the replaced revisions of an object; none if the shared store does not answer.
   *
   * @throws the signal's reason, and nothing else.
   */
  async listReplaced(key: string, signal?: AbortSignal): Promise<readonly StoredObject[]> {
    const ask = async () => (await this.#store.listReplaced?.(key, { signal })) ?? [];
    const answer = await this.#answer('listReplaced', key, ask, signal);
    return answer === 'unanswered' ? [] : answer;
  }

  /**
   * Opens an object, or a part of it. Returns `undefined` if the shared store does not have it or
   * can't give it. A body that comes too late is destroyed.
   *
   * @throws the signal's reason; RangeError.
   */
  async open(key: string, options: OpenOptions): Promise<OpenedObject | undefined> {
    const { signal, revision } = options;
    if (await this.#isOpen(signal)) return undefined;
    const late = new AbortController();
    const ends = signal === undefined ? late.signal : AbortSignal.any([signal, late.signal]);
    const opening = this.#store.open(key, { ...options, signal: ends }).then(withErrorListener);
    try {
      return await unlessAborted(this.#inTime(opening), signal);
    } catch (error) {
      late.abort();
      signal?.throwIfAborted();
      // A range outside the object is the caller's mistake.
      if (error instanceof RangeError) throw error;
      this.recordReadFailure(key, revision, error);
      return undefined;
    }
  }

  /** Records that a revision could not be read. */
  recordReadFailure(key: string, revision: string | undefined, error: unknown): SnapshotError {
    if (revision !== undefined) this.#unreadable.set(key, { revision, until: this.#retryAt() });
    return this.#recordFailure(key, error);
  }

  /** Records that a revision was read to its end. */
  recordReadSuccess({ key, revision }: StoredObject): void {
    if (this.#unreadable.get(key)?.revision === revision) this.#unreadable.delete(key);
  }

  /** Deletes an object, even while the circuit is open. */
  async delete(key: string): Promise<void> {
    try {
      await this.#inTime(this.#store.delete(key));
    } catch (error) {
      throw this.#recordFailure(key, error);
    }
  }

  /**
   * Begins a write; `undefined` while the circuit is open. Its steps may throw `PRECONDITION_FAILED`,
   * and nothing else.
   */
  async write(key: string, options: PutOptions): Promise<BestEffortWrite | undefined> {
    const ifRevision = await this.#toReplace(key, options.ifRevision);
    if (await this.#isOpen()) return undefined;
    const store = this.#store;
    const put: Put = async (body, signal) => {
      const checked = withConditionCheck(store, key, body, { ifRevision, signal });
      return store.put(key, checked, { ...options, ifRevision, signal });
    };
    return new BestEffortWrite(put, this.#options.idleTimeout, (error) => {
      if (isPreconditionFailure(error)) throw error;
      this.#recordFailure(key, error);
    });
  }

  /** Lists objects. Every error that it throws, except the signal's reason, has been reported. */
  async *list(options: ListOptions = {}): AsyncGenerator<StoredObject> {
    if (await this.#isOpen())
      throw new SnapshotError('STORE_FAILED', 'the shared tier failed just now');
    const objects = this.#store.list(options)[Symbol.asyncIterator]();
    try {
      for (;;) {
        const { done, value } = await this.#inTime(objects.next()).catch((error) => {
          options.signal?.throwIfAborted();
          throw this.#recordFailure(undefined, error, 'list');
        });
        if (done) return;
        yield value;
      }
    } finally {
      objects.return?.().catch(() => {}); // not awaited: the generator may hang
    }
  }

  /** Records and reports a failure, and gives it a code. */
  #recordFailure(key: string | undefined, error: unknown, method?: Method | 'list'): SnapshotError {
    const failure = toStoreError(error);
    // A list may be slow although the store answers all other calls at once.
    const isOfList = method === 'list' || method === 'listReplaced';
    if (failure instanceof StoreStalled && !isOfList) this.#open(failure);
    else void this.#probes.join(PROBE, () => this.#probe());
    this.#options.onFailure(key, failure);
    return failure;
  }

  /**
   * Returns the condition for the shared store. If a revision could not be read, a caller may believe
   * that nothing is stored. Its write then replaces that revision, if it is still stored, however
   * long ago the read failed.
   */
  async #toReplace(key: string, ifRevision: WriteCondition): Promise<WriteCondition> {
    const unreadable = this.#unreadable.get(key);
    if (ifRevision !== null || unreadable === undefined) return ifRevision;
    const answer = await this.stat(key);
    if (answer === 'unanswered' || answer?.revision === unreadable.revision)
      return unreadable.revision;
    this.#unreadable.delete(key);
    return null;
  }

  /**
   * Calls a method, unless it recently failed for this key. The other method may still be called.
   */
  async #answer<T>(
    method: Method,
    key: string,
    ask: () => Promise<T>,
    signal: AbortSignal | undefined,
  ): Promise<T | 'unanswered'> {
    if (await this.#isOpen(signal)) return 'unanswered';
    const asked = `${method} ${key}`;
    if (now() < (this.#failing.get(asked) ?? LONG_AGO)) return 'unanswered';
    try {
      const answer = await unlessAborted(this.#inTime(ask()), signal);
      this.#outage = undefined;
      return answer;
    } catch (error) {
      signal?.throwIfAborted();
      this.#failing.set(asked, this.#retryAt());
      this.#recordFailure(key, error, method);
      return 'unanswered';
    }
  }

  /** Whether the circuit is open. Waits for a probe that is under way. */
  async #isOpen(signal?: AbortSignal): Promise<boolean> {
    await unlessAborted(this.#probes.settled(), signal);
    return now() < this.#openUntil;
  }

  async #probe(): Promise<void> {
    try {
      await this.#inTime(this.#store.stat(PROBE));
      this.#outage = undefined;
    } catch (error) {
      // The failure that led to this probe has been reported.
      this.#open(toStoreError(error));
    }
  }

  #open(failure: SnapshotError): void {
    this.#openUntil = this.#retryAt();
    this.#outage = failure;
  }

  #retryAt(): Time {
    return after(now(), this.#options.retryInterval);
  }

  #inTime<T>(work: Promise<T>): Promise<T> {
    return unlessStalled(this.#options.responseTimeout, work);
  }
}
