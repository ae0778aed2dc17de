import { type ArtifactId, isFixed, isIncremental, isVariant } from '../artifact/id.js';
import type { Moment } from '../async/clock.js';
import type { FreshnessPolicy } from '../config/options.js';
import {
  isCurrent,
  knownCurrentAt,
  provenanceMoment,
  type StoredState,
  staleSince,
} from './staleness.js';
import {
  failureOf,
  isDue,
  isFailing,
  isOverdue,
  isWithin,
  isWithinStaleIfError,
  nextCheckAt,
  type UpstreamState,
} from './upstream-state.js';

// Decides from plain values how a request is answered. docs/freshness.md has the rules as a table.

/** The service's next step for a request. */
export type Action =
  /** Fail: the upstream has refused the repository for too long. */
  | 'refuse'
  /** Fail as the last check did: the stored artifact is too old. */
  | 'fail'
  /** Check the upstream, then decide again. */
  | 'check-first'
  | 'serve'
  /** Serve, and check the upstream in the background. */
  | 'serve-and-check'
  /** Serve, and build in the background. */
  | 'serve-and-build'
  /** Join the running build of the artifact, or begin one. */
  | 'build';

/** The progress of a request. */
export interface RequestState {
  /** Whether the service has checked the upstream for the request, or must not check it. */
  readonly isChecked: boolean;
  /** Whether the artifact is being built. */
  readonly isBuilding: boolean;
}

/** @param stored `undefined`: nothing is stored. */
export function decide(
  id: ArtifactId,
  stored: StoredState | undefined,
  upstream: UpstreamState,
  policy: FreshnessPolicy,
  now: Moment,
  { isChecked, isBuilding }: RequestState,
): Action {
  if (upstream.isForgotten) {
    return isChecked || isFailing(upstream, policy, now) ? 'refuse' : 'check-first';
  }
  if (stored === undefined) {
    // A new build will check. A running one may have read older refs.
    const mayBeOld = isBuilding && !isFixed(id) && isOverdue(upstream, policy, now);
    return mayBeOld && !isChecked ? 'check-first' : 'build';
  }
  const current = isCurrent(id, stored, upstream, policy);
  const due = isDue(upstream, policy, now, provenanceMoment(stored, now));
  const isCheckable = due && now.time >= nextCheckAt(upstream, policy);
  if (isFixed(id)) {
    if (!current) return 'serve-and-build';
    return isCheckable && stored.isPastRetention ? 'serve-and-check' : 'serve';
  }
  const since = staleSince(id, stored, upstream, policy, now);
  const isInTime = isWithin(since, policy.staleWhileRevalidate, now);
  if (!isInTime && due && !isChecked) return 'check-first';
  if (isIncremental(id) && !current) return 'build';
  if (isInTime) {
    if (isCheckable) return 'serve-and-check';
    return current ? 'serve' : 'serve-and-build';
  }
  if (failureOf(upstream, now) === undefined) return current ? 'serve' : 'build';
  if (!mayServeOnError(id, stored, upstream, policy, now)) return 'fail';
  if (current) return 'serve';
  const canBeBuilt = upstream.failure === undefined || stored.isOfOtherFormat;
  return canBeBuilt ? 'build' : 'serve-and-build';
}

/** Whether a stored artifact may be served although the upstream can't be checked. */
export function mayServeOnError(
  id: ArtifactId,
  stored: StoredState,
  upstream: UpstreamState,
  policy: FreshnessPolicy,
  now: Moment,
): boolean {
  const currentAt = knownCurrentAt(id, stored, upstream, policy, now);
  return isFixed(id) || isWithinStaleIfError(currentAt, policy, now);
}

/**
 * Milliseconds until a stale artifact may be built again in the background. Only the default
 * snapshot waits for `minRebuildInterval`: bundles lead from it to the latest commit. It waits for
 * half of `staleWhileRevalidate` at most: the rest is for the build.
 */
export function rebuildDelay(
  id: ArtifactId,
  stored: StoredState,
  upstream: UpstreamState,
  policy: FreshnessPolicy,
  now: Moment,
): number {
  if (isVariant(id) || stored.isOfOtherFormat) return 0;
  const { minRebuildInterval, staleWhileRevalidate } = policy;
  // If the clock was set back, the delay is the interval at most.
  const age = Math.max(now.date - stored.storedAt, 0);
  const delay = Math.max(minRebuildInterval - age, 0);
  if (staleWhileRevalidate === Number.POSITIVE_INFINITY) return delay;
  const left = staleSince(id, stored, upstream, policy, now) + staleWhileRevalidate / 2 - now.time;
  return Math.min(delay, Math.max(left, 0));
}
