import { after, LONG_AGO, type Moment, type Time } from '../async/clock.js';
import type { FreshnessPolicy } from '../config/options.js';
import type { SnapshotError } from '../errors.js';
import type { Head } from '../git/refs.js';

/** The facts that this process knows about a repository's upstream. Plain data. */
export interface UpstreamState {
  /** When a client last requested the repository; `undefined` if no client did. */
  readonly requestedAt: Moment | undefined;
  /** When the last successful check began; `undefined` if there was none. */
  readonly checkedAt: Moment | undefined;
  /** When the last check began; `undefined` if there was none. */
  readonly triedAt: Time | undefined;
  /** The failure of the last check; `undefined` if it succeeded. */
  readonly failure: SnapshotError | undefined;
  /** When the last check failed; `undefined` if it succeeded. */
  readonly failedAt: Time | undefined;
  /** The digest of the upstream's HEAD and refs; `undefined`: nothing is known. */
  readonly digest: string | undefined;
  /** HEAD of the mirror; `undefined` if there is no mirror. */
  readonly head: Head | undefined;
  /** The host's `Retry-After` forbids checks before this time. */
  readonly pausedUntil: Time;
  /** Whether the upstream has refused the repository for longer than `forgetAfter`. */
  readonly isForgotten: boolean;
}

/**
 * Whether the last successful check is older than `maxAge`, so that another one is due.
 *
 * @param storedAt counts as the time of the last check if this process has made none.
 */
export function isDue(
  upstream: UpstreamState,
  { maxAge, checkInterval }: FreshnessPolicy,
  now: Moment,
  storedAt: Moment,
): boolean {
  if (isFailing(upstream, { maxAge, checkInterval }, now)) return false;
  const { checkedAt = storedAt } = upstream;
  return now.time - checkedAt.time >= maxAge;
}

/** Whether no client should wait for a check: the last has just failed, or the host is paused. */
export function isFailing(
  { failedAt, pausedUntil }: UpstreamState,
  { maxAge, checkInterval }: Pick<FreshnessPolicy, 'maxAge' | 'checkInterval'>,
  now: Moment,
): boolean {
  if (now.time < pausedUntil) return true;
  return failedAt !== undefined && now.time - failedAt < Math.min(maxAge, checkInterval);
}

/** The earliest time for the next background check. */
export function nextCheckAt(
  { triedAt = LONG_AGO, pausedUntil }: UpstreamState,
  { checkInterval }: Pick<FreshnessPolicy, 'checkInterval'>,
): Time {
  const afterLast = after(triedAt, checkInterval);
  return afterLast > pausedUntil ? afterLast : pausedUntil;
}
