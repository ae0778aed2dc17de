import { LRUCache } from 'lru-cache';
import { SnapshotError, thrownAgain } from '../errors.js';
import { after, elapsedSince, LONG_AGO, now, type Time } from './clock.js';

/** A failure that is remembered until a time. */
export interface Failure {
  readonly error: SnapshotError;
  readonly until: Time;
}

/** @throws SnapshotError the failure, with the remaining seconds, unless its time is over. */
export function throwWhileRemembered({ error, until }: Failure): void {
  const milliseconds = -elapsedSince(until);
  if (milliseconds > 0) throw thrownAgain(error, Math.ceil(milliseconds / 1000));
}

/** Failures that only a change of the repository or of the options ends, and that cost a download. */
const LASTING = [
  'LIMIT_EXCEEDED',
  'REPOSITORY_INVALID',
  'REPOSITORY_UNSUPPORTED',
  'UPSTREAM_INVALID',
] as const;
/** The longest time for which such a failure is remembered, unless the first time is longer. */
const MAX_MILLISECONDS = 60 * 60_000;

/** Names that clients make up must not fill the memory. */
const MAX_REMEMBERED = 10_000;

/**
 * Remembers failures of work for a while, so that the work is not repeated. A lasting failure that
 * repeats is remembered twice as long each time, up to an hour.
 */
export class FailureCache {
  readonly #failures = new LRUCache<string, Failure & { readonly milliseconds: number }>({
    max: MAX_REMEMBERED,
  });
  readonly #milliseconds: number;

  /** @param milliseconds 0: nothing is remembered. */
  constructor(milliseconds: number) {
    this.#milliseconds = milliseconds;
  }

  /** @returns the error, with the seconds for which it is remembered. */
  remember(key: string, error: SnapshotError): SnapshotError {
    const milliseconds = Math.max(this.#timeOf(key, error), (error.retryAfter ?? 0) * 1000);
    // These are failures of this process, not of the work.
    const isOwn = SnapshotError.is(error, 'ABORTED', 'CLOSED', 'LOCK_UNAVAILABLE', 'LOCK_LOST');
    if (this.#milliseconds === 0 || isOwn) return error;
    const remembered = thrownAgain(error, Math.ceil(milliseconds / 1000));
    const until = after(now(), milliseconds);
    this.#failures.set(key, { error: remembered, until, milliseconds });
    return remembered;
  }

  #timeOf(key: string, error: SnapshotError): number {
    const last = this.#failures.get(key);
    if (last?.error.code !== error.code || !SnapshotError.is(error, ...LASTING)) {
      return this.#milliseconds;
    }
    const longest = Math.max(this.#milliseconds, MAX_MILLISECONDS);
    return Math.min(2 * last.milliseconds, longest);
  }

  forget(key: string): void {
    this.#failures.delete(key);
  }

  has(key: string): boolean {
    return (this.#failures.get(key)?.until ?? LONG_AGO) > now();
  }

  /** @throws SnapshotError the remembered failure, with the seconds left. */
  throwIfRemembered(key: string): void {
    const failure = this.#failures.get(key);
    if (failure !== undefined) throwWhileRemembered(failure);
  }
}
