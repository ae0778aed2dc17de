import { elapsedSince, type Moment, thisMoment } from '../async/clock.js';
import type { SnapshotErrorCode } from '../error-codes.js';
import { isAccessRefused, SnapshotError } from '../errors.js';

/** Milliseconds after the last attempt for which a host counts as failing. */
const MAX_AGE = 60 * 60_000;

/** Failures of a host, as far as the answer to one repository tells. Refusals are answers. */
const OF_HOST = [
  'UPSTREAM_UNREACHABLE',
  'UPSTREAM_TIMEOUT',
  'UPSTREAM_RATE_LIMITED',
  'UPSTREAM_ADDRESS_FORBIDDEN',
] as const satisfies SnapshotErrorCode[];

/** A host that has failed at each attempt since a moment. */
export interface HostOutage {
  readonly host: string;
  readonly since: Moment;
  /** The last attempt. */
  readonly failedAt: Moment;
  readonly code: SnapshotErrorCode;
}

/** Which hosts fail: noted where upstreams are asked anyway. */
export class HostOutages {
  /** At most as many as hosts of the allow-list. */
  readonly #outages = new Map<string, HostOutage>();

  /** The host has answered. */
  succeeded(host: string): void {
    this.#outages.delete(host);
  }

  /** Work on a repository of the host has failed, perhaps for another reason. */
  failed(host: string, error: unknown): void {
    if (isAccessRefused(error)) this.succeeded(host);
    if (!SnapshotError.is(error, ...OF_HOST)) return;
    const failedAt = thisMoment();
    const since = this.#recent(host)?.since ?? failedAt;
    this.#outages.set(host, { host, since, failedAt, code: error.code });
  }

  list(): HostOutage[] {
    return [...this.#outages.keys()]
      .map((host) => this.#recent(host))
      .filter((outage) => outage !== undefined);
  }

  #recent(host: string): HostOutage | undefined {
    const outage = this.#outages.get(host);
    return outage && elapsedSince(outage.failedAt.time) < MAX_AGE ? outage : undefined;
  }
}
