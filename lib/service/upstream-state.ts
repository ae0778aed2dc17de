import { after, LONG_AGO, type Moment, type Time } from '../async/clock.js';
import { type Failure, remembered } from '../async/failure-cache.js';
import type { FreshnessPolicy } from '../config/options.js';
import type { SnapshotError } from '../errors.js';
import type { Head } from '../git/refs.js';

/** Refs that the upstream had before. */
export interface PastRefs {
  readonly digest: string;
  /** When the last check that found them began. */
  readonly checkedAt: Moment;
  /** When the check that found others began. */
  readonly movedAt: Time;
}

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
  /** Former digests, the latest first; not all of them. */
  readonly past: readonly PastRefs[];
  /** HEAD of the mirror; `undefined` if there is no mirror. */
  readonly head: Head | undefined;
  /** The answer with a `Retry-After` that forbids, or forbade, checks of the host until a time. */
  readonly pause: Failure | undefined;
  /** Whether the upstream has refused the repository for longer than `forgetAfter`. */
  readonly isForgotten: boolean;
}

/**
 * Whether the last successful check is older than `maxAge`, so that another one is due.
 *
 * @param knownAt counts as the time of the last check if this process has made none.
 */
export function isDue(
  upstream: UpstreamState,
  policy: FreshnessPolicy,
  now: Moment,
  knownAt: Moment,
): boolean {
  if (isFailing(upstream, policy, now)) return false;
  const { checkedAt = knownAt } = upstream;
  return now.time - checkedAt.time >= policy.maxAge;
}

/**
 * Whether clients have to wait for a check, as far as the upstream alone tells: the last one is too
 * old; or this process has made none, and stale answers are not allowed at all.
 */
export function isOverdue(upstream: UpstreamState, policy: FreshnessPolicy, now: Moment): boolean {
  if (isFailing(upstream, policy, now)) return false;
  const { checkedAt } = upstream;
  const dueAt = checkedAt === undefined ? now.time : after(checkedAt.time, policy.maxAge);
  return !isWithin(dueAt, policy.staleWhileRevalidate, now);
}

/** Whether less than this many milliseconds have passed since a time. */
export function isWithin(since: Time, milliseconds: number, now: Moment): boolean {
  return milliseconds === Number.POSITIVE_INFINITY || now.time - since < milliseconds;
}

/** Whether an artifact may still be served although checks fail. @param currentAt as far as known. */
export function isWithinStaleIfError(
  currentAt: Time,
  { maxAge, staleIfError }: FreshnessPolicy,
  now: Moment,
): boolean {
  return isWithin(after(currentAt, maxAge), staleIfError, now);
}

/** Why the upstream can't be checked; `undefined` if nothing is known against it. */
export function failureOf(
  { failure, pause }: UpstreamState,
  now: Moment,
): SnapshotError | undefined {
  return failure ?? remembered(pause, now.time);
}

/** Whether no client should wait for a check: the last has just failed, or the host is paused. */
export function isFailing(
  { failedAt, pause }: UpstreamState,
  { maxAge, checkInterval }: Pick<FreshnessPolicy, 'maxAge' | 'checkInterval'>,
  now: Moment,
): boolean {
  if (pause !== undefined && now.time < pause.until) return true;
  return failedAt !== undefined && now.time - failedAt < Math.min(maxAge, checkInterval);
}

/** The earliest time for the next background check. */
export function nextCheckAt(
  { triedAt = LONG_AGO, pause }: UpstreamState,
  { checkInterval }: Pick<FreshnessPolicy, 'checkInterval'>,
): Time {
  const afterLast = after(triedAt, checkInterval);
  return pause === undefined || afterLast > pause.until ? afterLast : pause.until;
}
