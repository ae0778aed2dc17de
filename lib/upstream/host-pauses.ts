import { after, LONG_AGO, now } from '../async/clock.js';
import type { Failure } from '../async/failure-cache.js';
import { SnapshotError } from '../errors.js';

/** Hosts that get no requests for a while: they answered 429, 403 or 5xx with a `Retry-After`. */
export class HostPauses {
  /** At most as many as hosts of the allow-list. */
  readonly #pauses = new Map<string, Failure>();

  note(host: string, error: unknown): void {
    if (!SnapshotError.is(error) || error.retryAfter === undefined) return;
    const until = after(now(), error.retryAfter * 1000);
    if (until > (this.of(host)?.until ?? LONG_AGO)) this.#pauses.set(host, { error, until });
  }

  /** The failure for which a host is or was paused, and the time for the next request to it. */
  of(host: string): Failure | undefined {
    return this.#pauses.get(host);
  }
}
