import { SnapshotError } from '../errors.js';

interface Pause {
  readonly error: SnapshotError;
  /** By `performance.now()`. */
  readonly until: number;
}

/**
 * Hosts that said, by `Retry-After` of a 429 or 5xx, when they may be asked again. There are as few as in the
 * allow-list.
 */
export class HostPauses {
  readonly #pauses = new Map<string, Pause>();

  /** Takes note of what asking a host failed with. */
  note(host: string, error: unknown): void {
    if (!(error instanceof SnapshotError) || error.retryAfter === undefined) return;
    const until = performance.now() + error.retryAfter * 1000;
    if (until > this.until(host)) this.#pauses.set(host, { error, until });
  }

  /** When a host may be asked again: by `performance.now()`. */
  until(host: string): number {
    return this.#pauses.get(host)?.until ?? Number.NEGATIVE_INFINITY;
  }

  /** @throws SnapshotError what the host failed with, with the seconds that are left. */
  throwIfPaused(host: string): void {
    const pause = this.#pauses.get(host);
    if (pause === undefined) return;
    const { error, until } = pause;
    const milliseconds = until - performance.now();
    if (milliseconds <= 0) {
      this.#pauses.delete(host);
      return;
    }
    const retryAfter = Math.ceil(milliseconds / 1000);
    throw new SnapshotError(error.code, error.message, { cause: error, retryAfter });
  }
}
