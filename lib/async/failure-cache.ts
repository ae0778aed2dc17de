import { SnapshotError, thrownAgain } from '../errors.js';
import { after, LONG_AGO, now, type Time } from './clock.js';
import { recentlyUsed } from './recently-used.js';

/** A failure that is remembered until a time. */
export interface Failure {
  readonly error: SnapshotError;
  readonly until: Time;
}

/** The error, with the remaining seconds; `undefined`: there is none, or its time is over. */
export function remembered(failure: Failure | undefined, present: Time): SnapshotError | undefined {
  if (failure === undefined || present >= failure.until) return undefined;
  return thrownAgain(failure.error, Math.ceil((failure.until - present) / 1000));
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
  readonly #failures = recentlyUsed<string, Failure & { readonly milliseconds: number }>(
    MAX_REMEMBERED,
  );
  readonly #milliseconds: number;

  /** @param milliseconds 0: nothing is remembered. */
  constructor(milliseconds: number) {
    this.#milliseconds = milliseconds;
  }

  /**
   * @param mayLast whether a failure whose code says so lasts.
   * @returns the error, with the seconds for which it is remembered.
   */
  remember(key: string, error: SnapshotError, { mayLast = true } = {}): SnapshotError {
    const usual = mayLast ? this.#timeOf(key, error) : this.#milliseconds;
    const milliseconds = Math.max(usual, (error.retryAfter ?? 0) * 1000);
    // These are failures of this process, not of the work.
    const isOwn = SnapshotError.is(error, 'ABORTED', 'CLOSED', 'LOCK_UNAVAILABLE', 'LOCK_LOST');
    if (this.#milliseconds === 0 || isOwn) return error;
    const kept = thrownAgain(error, Math.ceil(milliseconds / 1000));
    const until = after(now(), milliseconds);
    this.#failures.set(key, { error: kept, until, milliseconds });
    return kept;
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
    const error = remembered(this.#failures.get(key), now());
    if (error !== undefined) throw error;
  }
}
