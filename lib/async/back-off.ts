/** Milliseconds, doubled by each failure. */
const FIRST = 60_000;
const LONGEST = 6 * 60 * 60_000;

interface Failures {
  readonly count: number;
  /** By `performance.now()`. */
  readonly until: number;
}

/** Has what failed wait before it is tried again, longer each time. Forgets what is of no use to anybody else. */
export class BackOff<T extends object> {
  readonly #failures = new WeakMap<T, Failures>();

  isWaiting(item: T): boolean {
    return performance.now() < (this.#failures.get(item)?.until ?? 0);
  }

  /** @returns when it may be tried again: by `performance.now()`. */
  failed(item: T): number {
    const count = (this.#failures.get(item)?.count ?? 0) + 1;
    const until = performance.now() + Math.min(FIRST * 2 ** (count - 1), LONGEST);
    this.#failures.set(item, { count, until });
    return until;
  }

  succeeded(item: T): void {
    this.#failures.delete(item);
  }
}
