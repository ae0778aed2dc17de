import { after, LONG_AGO, now, type Time } from '../async/clock.js';
import { type Failure, throwWhileRemembered } from '../async/failure-cache.js';
import { SnapshotError } from '../errors.js';

/** Hosts that get no requests for a while: they answered 429, 403 or 5xx with a `Retry-After`. */
export class HostPauses {
  /** At most as many as hosts of the allow-list. */
  readonly #pauses = new Map<string, Failure>();

  note(host: string, error: unknown): void {
    if (!SnapshotError.is(error) || error.retryAfter === undefined) return;
    const until = after(now(), error.retryAfter * 1000);
    if (until > this.until(host)) this.#pauses.set(host, { error, until });
  }

  /** The earliest time for the next request to a host. */
  until(host: string): Time {
    return this.#pauses.get(host)?.until ?? LONG_AGO;
  }

  /** @throws SnapshotError the failure for which the host is paused, with the seconds left. */
  throwIfPaused(host: string): void {
    const pause = this.#pauses.get(host);
    if (pause !== undefined) throwWhileRemembered(pause);
  }
}
