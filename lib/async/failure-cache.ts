import { LRUCache } from 'lru-cache';
import { SnapshotError } from '../errors.js';
import { after, elapsedSince, LONG_AGO, now, type Time } from './clock.js';

/** A failure that is remembered until a time. */
export interface Failure {
  readonly error: SnapshotError;
  readonly until: Time;
}

/** @throws SnapshotError the failure, with the remaining seconds, unless its time is over. */
export function throwWhileRemembered({ error, until }: Failure): void {
  const milliseconds = -elapsedSince(until);
  if (milliseconds <= 0) return;
  const { code, message } = error;
  const retryAfter = Math.ceil(milliseconds / 1000);
  throw new SnapshotError(code, message, { cause: error, retryAfter });
}

/** Failures of this process, not of the work. They are not remembered. */
const OWN_DOING: ReadonlySet<string> = new Set([
  'ABORTED',
  'CLOSED',
  'LOCK_UNAVAILABLE',
  'LOCK_LOST',
]);
/** Names that clients make up must not fill the memory. */
const MAX_REMEMBERED = 10_000;

/** Remembers failures for a while, so that they are not repeated. */
export class FailureCache {
  readonly #failures = new LRUCache<string, Failure>({ max: MAX_REMEMBERED });
  readonly #milliseconds: number;

  /** @param milliseconds 0: nothing is remembered. */
  constructor(milliseconds: number) {
    this.#milliseconds = milliseconds;
  }

  /** @returns the error, with the seconds for which it is remembered. */
  remember(key: string, error: SnapshotError): SnapshotError {
    if (this.#milliseconds === 0 || OWN_DOING.has(error.code)) return error;
    const milliseconds = Math.max(this.#milliseconds, (error.retryAfter ?? 0) * 1000);
    const remembered = new SnapshotError(error.code, error.message, {
      cause: error,
      retryAfter: Math.ceil(milliseconds / 1000),
    });
    this.#failures.set(key, { error: remembered, until: after(now(), milliseconds) });
    return remembered;
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
