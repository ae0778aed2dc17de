import { SnapshotError } from '../errors.js';
import { type Failure, throwUnlessOver } from '../remembered-failures.js';

/**
 * Hosts that said, by `Retry-After` of a 429, 403 or 5xx, when they may be asked again. There are as few as in the
 * allow-list.
 */
export class HostPauses {
  readonly #pauses = new Map<string, Failure>();

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
    throwUnlessOver(pause);
    this.#pauses.delete(host);
  }
}
