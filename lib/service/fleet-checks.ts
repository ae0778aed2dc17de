import { checkKey } from '../artifact/key.js';
import { withDeadline } from '../async/deadline.js';
import { SnapshotError } from '../errors.js';
import type { LockRegistry } from '../locks/registry.js';
import type { RepositoryId } from '../repository.js';
import type { SnapshotStore } from '../stores/store.js';

/** What some process of the fleet found out. */
export interface CheckRecord {
  /** Of HEAD and the refs. */
  readonly digest: string;
  /** When the upstream was asked: milliseconds since the epoch, by the clock of who did. */
  readonly date: number;
}

/**
 * Milliseconds for which a lock is waited for: who holds it asks just what is to be asked. Longer than lock
 * servers have to answer, so that one that does not is told from one that says no.
 */
const PATIENCE = 10_000;
/** Milliseconds by which clocks may differ. */
const CLOCK_SKEW = 10_000;

/**
 * Keeps processes that share a store and locks from asking upstreams the same questions while nobody waits
 * for the answer: one of them asks, and writes down in the store what it was told.
 *
 * When the locks or the store fail, each asks for itself.
 */
export class FleetChecks {
  readonly #store: SnapshotStore;
  readonly #locks: LockRegistry;

  constructor(store: SnapshotStore, locks: LockRegistry) {
    this.#store = store;
    this.#locks = locks;
  }

  /**
   * Asks, unless another process did so after a date, or is doing it.
   *
   * @param ask returns the digest of what the upstream has.
   * @returns what another process found out, `'asked'`, or `'busy'` while another process asks.
   * @throws what `ask` throws; the signal's reason.
   */
  async run(
    repository: RepositoryId,
    since: number,
    ask: () => Promise<string>,
    signal: AbortSignal,
  ): Promise<CheckRecord | 'asked' | 'busy'> {
    const lock = await this.#acquire(repository, signal);
    if (lock === 'busy') return 'busy';
    try {
      const record = await this.#read(repository, signal);
      if (record !== undefined && isWithin(record.date, since)) return record;
      const date = Date.now();
      const digest = await ask();
      if (lock !== undefined) await this.#write(repository, { digest, date }, signal);
      return 'asked';
    } finally {
      await lock?.release();
    }
  }

  /** `undefined` without a lock. */
  async #acquire(repository: RepositoryId, signal: AbortSignal) {
    const key = checkKey(repository);
    const busy = new SnapshotError('LOCK_FAILED', 'somebody else holds it');
    try {
      const acquire = (ends: AbortSignal) => this.#locks.acquire(key, { signal: ends });
      return await withDeadline(PATIENCE, signal, acquire, () => busy);
    } catch (error) {
      if (error === busy) return 'busy';
      if (error instanceof SnapshotError && error.code === 'LOCK_FAILED') return undefined;
      throw error;
    }
  }

  async #read(repository: RepositoryId, signal: AbortSignal): Promise<CheckRecord | undefined> {
    const object = await unlessStoreFails(this.#store.stat(checkKey(repository), { signal }));
    const digest = object?.metadata.digest;
    const date = Number(object?.metadata.askedAt);
    return digest !== undefined && Number.isSafeInteger(date) ? { digest, date } : undefined;
  }

  async #write(
    repository: RepositoryId,
    { digest, date }: CheckRecord,
    signal: AbortSignal,
  ): Promise<void> {
    const put = async () => {
      const metadata = { digest, askedAt: String(date) };
      const options = { signal, expendable: true };
      const writer = await this.#store.create(checkKey(repository), metadata, options);
      await writer.commit();
    };
    await unlessStoreFails(put());
  }
}

function isWithin(date: number, since: number): boolean {
  return date >= since && isPlausible(date);
}

/** A date that is far ahead is one of a clock that is wrong. */
export function isPlausible(date: number): boolean {
  return date <= Date.now() + CLOCK_SKEW;
}

async function unlessStoreFails<T>(operation: Promise<T>): Promise<T | undefined> {
  try {
    return await operation;
  } catch (error) {
    const code = error instanceof SnapshotError ? error.code : undefined;
    if (code === 'STORE_FAILED' || code === 'STORAGE_FULL') return undefined;
    throw error;
  }
}
