import { Readable } from 'node:stream';
import { checkKey } from '../artifact/key.js';
import { unlessAborted } from '../async/abort.js';
import { withDeadline } from '../async/deadline.js';
import { SnapshotError } from '../errors.js';
import { acquireLock, releaseLock } from '../locks/host-lock.js';
import type { LockRegistry } from '../locks/registry.js';
import type { RepositoryId } from '../repository.js';
import type { SnapshotStore } from '../stores/store.js';

/** The result of a check by some process of the fleet. */
export interface CheckRecord {
  /** Identifies HEAD and the refs. */
  readonly digest: string;
  /** When the check began: milliseconds since the epoch, by the clock of that process. */
  readonly date: number;
}

/**
 * Milliseconds to wait for the lock, whose holder makes the same check. A lock server has less time
 * to answer: else a server that is down would look like a held lock.
 */
const PATIENCE = 10_000;
/** Milliseconds by which the clocks of processes may differ. */
const CLOCK_SKEW = 10_000;

/**
 * Shares background checks among processes that share a store and locks: one of them checks the
 * upstream, and writes the result to the store. If locks or store fail, each process checks for
 * itself.
 */
export class FleetChecks {
  readonly #store: SnapshotStore;
  readonly #locks: LockRegistry;

  constructor(store: SnapshotStore, locks: LockRegistry) {
    this.#store = store;
    this.#locks = locks;
  }

  /**
   * Checks the upstream, unless another process has done so since a date, or is doing it.
   *
   * @param check returns the digest of the upstream's HEAD and refs.
   * @returns the result of another process; `'busy'` while another process checks.
   * @throws the error of `check`; the signal's reason.
   */
  async run(
    repository: RepositoryId,
    since: number,
    check: () => Promise<string>,
    signal: AbortSignal,
  ): Promise<CheckRecord | 'checked' | 'busy'> {
    const lock = await this.#acquire(repository, signal);
    if (lock === 'busy') return 'busy';
    try {
      const record = await this.#read(repository, signal);
      if (record !== undefined && record.date >= since && isPlausible(record.date)) return record;
      const date = Date.now();
      const digest = await check();
      if (lock !== undefined) await this.#write(repository, { digest, date }, signal);
      return 'checked';
    } finally {
      if (lock !== undefined) await releaseLock(lock);
    }
  }

  /** `undefined`: the lock registry fails. */
  async #acquire(repository: RepositoryId, signal: AbortSignal) {
    const key = checkKey(repository);
    const busy = new SnapshotError('LOCK_UNAVAILABLE', 'another process holds it');
    try {
      const acquire = (ends: AbortSignal) => acquireLock(this.#locks, key, ends);
      return await withDeadline(PATIENCE, signal, acquire, () => busy);
    } catch (error) {
      if (error === busy) return 'busy';
      signal.throwIfAborted();
      return undefined;
    }
  }

  async #read(repository: RepositoryId, signal: AbortSignal): Promise<CheckRecord | undefined> {
    const stat = async () => this.#store.stat(checkKey(repository), { signal });
    const object = await unlessFails(stat, signal);
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
      const options = { metadata, priority: 'low', signal } as const;
      await this.#store.put(checkKey(repository), Readable.from([]), options);
    };
    await unlessFails(put, signal);
  }
}

/** Whether another process's date is plausible: a wrong clock gives dates far in the future. */
export function isPlausible(date: number): boolean {
  return date <= Date.now() + CLOCK_SKEW;
}

/** `undefined`: the store fails. @throws the signal's reason. */
async function unlessFails<T>(call: () => Promise<T>, signal: AbortSignal): Promise<T | undefined> {
  return await unlessAborted(call(), signal).catch(() => {
    signal.throwIfAborted();
    return undefined;
  });
}
