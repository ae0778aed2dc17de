import type { SnapshotErrorCode } from '../error-codes.js';

/** `warn`: it works, but an operator should look. */
export type HealthStatus = 'pass' | 'warn' | 'fail';

/**
 * One check, with the members that draft-inadarei-api-health-check-06 defines, and `code`. It has no
 * paths, URLs, names of repositories or text of other servers.
 */
export interface HealthCheck {
  readonly status: HealthStatus;
  readonly componentType: 'component' | 'datastore' | 'system';
  /** The host, in checks of upstreams. */
  readonly componentId?: string;
  readonly observedValue?: number;
  readonly observedUnit?: 'bytes' | 'ms' | 's' | 'threads';
  /** When this was observed, in ISO 8601. */
  readonly time: string;
  /** Why it does not pass; left out if it does. */
  readonly output?: string;
  /** The code of the failure, if there was one. */
  readonly code?: SnapshotErrorCode;
}

/** The checks of a service. A name is `{component}:{measurement}`. */
export interface HealthChecks {
  /** `fail`: the service is starting, could not start, is closing or closed. */
  readonly 'service:state': readonly HealthCheck[];
  /** Worker threads that ended before they had started, one after another. */
  readonly 'threads:failedStarts': readonly HealthCheck[];
  /** Milliseconds for a look at the store. `warn`: it works only in part. */
  readonly 'store:responseTime': readonly HealthCheck[];
  /** Milliseconds for taking a lock, and giving it back. `warn`: they use their fallback. */
  readonly 'locks:responseTime': readonly HealthCheck[];
  /** Bytes that are free on the disk of `dataDir`. Never `fail`. */
  readonly 'disk:free': readonly HealthCheck[];
  /** Seconds for which each host that fails has failed. Never `fail`; no entry: no host fails. */
  readonly 'upstream:outage': readonly HealthCheck[];
}

/** How a service is. Plain data, which can be sent as JSON. */
export interface ServiceHealth {
  /** The worst status of a check: `fail` if the service is not ready. */
  readonly status: HealthStatus;
  /** `false`: only a new process helps. The service is closed, or no worker thread starts. */
  readonly live: boolean;
  /** `false`: the service can't serve clients at the moment. */
  readonly ready: boolean;
  readonly checks: HealthChecks;
}

/** Options of `health`. */
export interface HealthOptions {
  /**
   * Milliseconds to wait for new answers of the store, the locks and the disk. Then the last answers
   * count. 0: the last answers count at once.
   *
   * @default 500
   */
  readonly timeout?: number | undefined;
}
