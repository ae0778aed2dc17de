import { Readable } from 'node:stream';
import { refusalKey } from '../artifact/key.js';
import {
  after,
  elapsedSince,
  type Moment,
  momentOf,
  now,
  type Time,
  thisMoment,
} from '../async/clock.js';
import { isAccessRefused, type SnapshotError, thrownAgain } from '../errors.js';
import { MemoryLocks } from '../locks/memory.js';
import { withLock } from '../locks/with-lock.js';
import { type RepositoryId, repositoryKey } from '../repository.js';
import type { SnapshotStore } from '../stores/store.js';
import { isPlausible } from './fleet-checks.js';

/** Dates of the first refusal, and of the last one that was noted in the store. */
interface Noted {
  readonly since: number;
  readonly until: number;
}

interface Refusal {
  /** When the first refusal came. The upstream has given no other answer since. */
  readonly since: Moment;
  /** The last refusal. */
  readonly error: SnapshotError;
  /** Whether a refusal came after `forgetAfter`. Only a success ends it then, not an outage. */
  readonly isFinal: boolean;
  /** Whether the mirror and the artifacts of the repository were deleted since. */
  isRemoved: boolean;
}

/** A refusal that goes on is noted again after this part of `forgetAfter`. */
const NOTE_INTERVAL = 0.1;

export interface RefusalsParts {
  readonly store: SnapshotStore;
  /** Milliseconds. */
  readonly forgetAfter: number;
  /** Called after each refusal of a repository that is not deleted yet. */
  readonly onRefused: (repository: RepositoryId) => void;
}

/**
 * Knows which repositories their upstreams refuse (401, 403, 404, 410), and since when. The dates
 * are noted in the store, for a restart and for processes that share it. If the store fails, each
 * process uses its own dates.
 */
export class Refusals {
  readonly #parts: RefusalsParts;
  readonly #refusals = new Map<string, Refusal>();
  /** By repository: no other change may come between a change's read and write of the store. */
  readonly #turns = new MemoryLocks();

  constructor(parts: RefusalsParts) {
    this.#parts = parts;
  }

  /** Whether the last answer was a refusal. */
  has(repository: RepositoryId): boolean {
    return this.#refusals.has(repositoryKey(repository));
  }

  /** Whether the repository must not be served: it has been refused for `forgetAfter`. */
  isForgotten(repository: RepositoryId): boolean {
    const refusal = this.#refusals.get(repositoryKey(repository));
    return refusal !== undefined && (refusal.isFinal || this.#isLong(refusal.since));
  }

  /** When the repository must no longer be served, if the refusal goes on. */
  forgottenAt(repository: RepositoryId): Time {
    const since = this.#refusals.get(repositoryKey(repository))?.since.time;
    return after(since ?? now(), this.#parts.forgetAfter);
  }

  /** Whether mirror and artifacts must be deleted: a refusal came after `forgetAfter`. */
  isToBeRemoved(repository: RepositoryId): boolean {
    const refusal = this.#refusals.get(repositoryKey(repository));
    return refusal?.isFinal === true && !refusal.isRemoved;
  }

  /** Notes that mirror and artifacts were deleted. */
  removed(repository: RepositoryId): void {
    const refusal = this.#refusals.get(repositoryKey(repository));
    if (refusal !== undefined) refusal.isRemoved = true;
  }

  /** @throws SnapshotError the refusal, if the repository must not be served. */
  throwIfForgotten(repository: RepositoryId): void {
    const refusal = this.#refusals.get(repositoryKey(repository));
    if (refusal === undefined || !this.isForgotten(repository)) return;
    throw thrownAgain(refusal.error);
  }

  /** Ends a refusal, as when the repository is purged. @throws SnapshotError `STORE_FAILED` */
  async forget(repository: RepositoryId): Promise<void> {
    const key = repositoryKey(repository);
    await withLock(this.#turns, key, async () => {
      await this.#parts.store.delete(refusalKey(repository));
      this.#refusals.delete(key);
    });
  }

  /**
   * Notes that a check at that moment succeeded, in any process. Ends all earlier refusals, even if
   * another process noted them. Never rejects.
   */
  async answered(repository: RepositoryId, at: Moment, signal: AbortSignal): Promise<void> {
    const key = repositoryKey(repository);
    await withLock(this.#turns, key, async () => {
      const refusal = this.#refusals.get(key);
      if (refusal !== undefined && refusal.since.time <= at.time) this.#refusals.delete(key);
      await this.#erase(repository, ({ since }) => since <= at.date, signal);
    });
  }

  /**
   * Notes that a check failed. An outage ends a refusal that is not final: a mix of outages and
   * refusals proves nothing. Never rejects.
   *
   * @param answeredAt the date of this process's last successful check.
   */
  async failed(
    repository: RepositoryId,
    error: SnapshotError,
    answeredAt: number | undefined,
    signal: AbortSignal,
  ): Promise<void> {
    const key = repositoryKey(repository);
    await withLock(this.#turns, key, async () => {
      if (signal.aborted) return;
      const before = this.#refusals.get(key);
      if (!isAccessRefused(error)) {
        if (before?.isFinal) return;
        this.#refusals.delete(key);
        await this.#erase(repository, (noted) => !this.#isOfForgotten(noted), signal);
        return;
      }
      const known = before?.since ?? thisMoment();
      const date = await this.#note(repository, known.date, answeredAt, signal);
      // Keeps the moment if it can: a date alone is wrong after the clock was set.
      const since = date === known.date ? known : momentOf(date);
      const isFinal = before?.isFinal === true || this.#isLong(since);
      const isRemoved = before?.isRemoved === true;
      this.#refusals.set(key, { since, error, isFinal, isRemoved });
      if (!isRemoved) this.#parts.onRefused(repository);
    });
  }

  /** Whether a refusal since that moment lasts too long. */
  #isLong(since: Moment): boolean {
    return elapsedSince(since.time) >= this.#parts.forgetAfter;
  }

  /** Notes the refusal in the store. @returns the date of the first refusal. */
  async #note(
    repository: RepositoryId,
    known: number,
    answeredAt: number | undefined,
    signal: AbortSignal,
  ): Promise<number> {
    const today = Date.now();
    const noted = await this.#read(repository, signal);
    const goesOn =
      noted !== undefined &&
      noted.since > (answeredAt ?? 0) &&
      (this.#isOfForgotten(noted) || today - noted.until <= this.#parts.forgetAfter);
    const since = Math.min(goesOn ? noted.since : known, today);
    // The note must show that the repository is forgotten: then no outage ends the refusal.
    const isNoted =
      goesOn && (this.#isOfForgotten(noted) || today - since < this.#parts.forgetAfter);
    if (isNoted && today - noted.until < this.#parts.forgetAfter * NOTE_INTERVAL) return since;
    const put = async () => {
      const metadata = { since: String(since), until: String(today) };
      await this.#parts.store.put(refusalKey(repository), Readable.from([]), { metadata, signal });
    };
    await put().catch(ignore);
    return since;
  }

  /** Deletes the note if its refusal has ended. Reads it first: it may be another process's. */
  async #erase(
    repository: RepositoryId,
    hasEnded: (noted: Noted) => boolean,
    signal: AbortSignal,
  ): Promise<void> {
    const noted = await this.#read(repository, signal);
    if (noted === undefined || !hasEnded(noted)) return;
    await this.#parts.store.delete(refusalKey(repository)).catch(ignore);
  }

  async #read(repository: RepositoryId, signal: AbortSignal): Promise<Noted | undefined> {
    const object = await this.#parts.store.stat(refusalKey(repository), { signal }).catch(ignore);
    const [since, until] = [Number(object?.metadata.since), Number(object?.metadata.until)];
    return since <= until && isPlausible(until) ? { since, until } : undefined;
  }

  #isOfForgotten({ since, until }: Noted): boolean {
    return until - since >= this.#parts.forgetAfter;
  }
}

/** A failing store is reported elsewhere. */
function ignore(): undefined {
  return undefined;
}
