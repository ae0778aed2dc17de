import { toSnapshotError } from '../errors.js';
import { after, now, type Time } from './clock.js';

/** Milliseconds of a `BackOff`. */
const FIRST_DELAY = 60_000;
const LONGEST_DELAY = 6 * 60 * 60_000;

/**
 * Calls `attempt` until it returns a value or throws.
 *
 * @param exhausted makes the error that is thrown after the last attempt.
 */
export async function retry<T>(
  times: number,
  attempt: () => Promise<T | undefined>,
  exhausted: () => unknown,
): Promise<T> {
  for (let number = 1; number <= times; number++) {
    const result = await attempt();
    if (result !== undefined) return result;
  }
  throw exhausted();
}

/** A function that runs the work until it has succeeded once. Concurrent calls share a run. */
export function startup(work: () => Promise<void>): () => Promise<void> {
  let started: Promise<void> | undefined;
  return () => {
    started ??= work().catch((error: unknown) => {
      started = undefined;
      throw toSnapshotError(error);
    });
    return started;
  };
}

/** Delays the next attempt at an item after each failure, twice as long each time. */
export class BackOff<T extends object> {
  readonly #delays = new WeakMap<T, { readonly delay: number; readonly until: Time }>();

  isWaiting(item: T): boolean {
    const last = this.#delays.get(item);
    return last !== undefined && now() < last.until;
  }

  /** @returns when it may be tried again. */
  failed(item: T): Time {
    const last = this.#delays.get(item);
    const delay = last === undefined ? FIRST_DELAY : Math.min(last.delay * 2, LONGEST_DELAY);
    const until = after(now(), delay);
    this.#delays.set(item, { delay, until });
    return until;
  }

  succeeded(item: T): void {
    this.#delays.delete(item);
  }
}
