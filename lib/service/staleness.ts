import { incrementalBasis } from '../artifact/etag.js';
import { type ArtifactId, isFixed, isIncremental } from '../artifact/id.js';
import type { Provenance } from '../artifact/metadata.js';
import { after, type Moment, momentOf, type Time } from '../async/clock.js';
import type { FreshnessPolicy } from '../config/options.js';
import { isPlausible } from './fleet-checks.js';
import type { UpstreamState } from './upstream-state.js';

// Whether a stored artifact is stale, and since when, as far as this process knows. No side effects.

/** The facts about a stored artifact that decide whether it is current. */
export interface StoredState {
  /** Milliseconds since the epoch. */
  readonly storedAt: number;
  readonly provenance: Provenance;
  /** Whether another version of this library, or other options, made it. */
  readonly isOfOtherFormat: boolean;
  /** This process has found that the artifact is current for this digest of the upstream. */
  readonly verifiedDigest: string | undefined;
  /** Whether mirrors may have pruned the artifact's commit since the artifact was stored. */
  readonly isPastRetention: boolean;
}

/**
 * Whether a build would give the stored artifact again; else it is stale. Another process's artifact
 * may be newer than this mirror: only a later check shows it stale.
 */
export function isCurrent(
  id: ArtifactId,
  { provenance, isOfOtherFormat, verifiedDigest, isPastRetention }: StoredState,
  { digest, head, checkedAt, failure }: UpstreamState,
  policy: Pick<FreshnessPolicy, 'staleWhileRevalidate'>,
): boolean {
  if (isOfOtherFormat) return false;
  if (isIncremental(id)) {
    if (head === undefined || provenance.basis === incrementalBasis(head)) return true;
  } else {
    if (digest === undefined || provenance.digest === digest) return true;
    if (isFixed(id) && !isPastRetention) return true;
    if (verifiedDigest !== undefined) return verifiedDigest === digest;
  }
  // While nothing is known of the upstream, any stored artifact counts as current.
  if (checkedAt === undefined) return true;
  const { knownAt } = provenance;
  if (!trustsOthers(policy, failure) || knownAt === undefined) return false;
  return knownAt > checkedAt.date && isPlausible(knownAt);
}

/** When the artifact became, or will become, stale: `staleWhileRevalidate` counts from then. */
export function staleSince(
  id: ArtifactId,
  stored: StoredState,
  upstream: UpstreamState,
  policy: FreshnessPolicy,
  now: Moment,
): Time {
  const dueAt = after(knownCurrentAt(id, stored, upstream, policy, now), policy.maxAge);
  if (isCurrent(id, stored, upstream, policy)) return dueAt;
  const moved = pastRefsOf(stored, upstream);
  if (moved !== undefined) return earlier(dueAt, moved.movedAt);
  if (hasPresentRefs(stored, upstream)) return earlier(dueAt, now.time);
  // The refs have moved since the check before the build, nobody knows when.
  return provenanceMoment(stored, now).time;
}

/** When the artifact was last known to be current. */
export function knownCurrentAt(
  id: ArtifactId,
  stored: StoredState,
  upstream: UpstreamState,
  policy: Pick<FreshnessPolicy, 'staleWhileRevalidate'>,
  now: Moment,
): Time {
  const { checkedAt, failure } = upstream;
  const own = provenanceMoment(stored, now).time;
  if (checkedAt === undefined) return own;
  if (isCurrent(id, stored, upstream, policy) || hasPresentRefs(stored, upstream)) {
    return trustsOthers(policy, failure) && own > checkedAt.time ? own : checkedAt.time;
  }
  return pastRefsOf(stored, upstream)?.checkedAt.time ?? own;
}

/** When the last successful check before the build began; if that is unknown, when it was stored. */
export function provenanceMoment(
  { storedAt, provenance }: Pick<StoredState, 'storedAt' | 'provenance'>,
  now: Moment,
): Moment {
  const date = provenance.knownAt ?? storedAt;
  // The clocks of two processes differ a little.
  if (date > now.date && isPlausible(date)) return now;
  return momentOf(date, now);
}

/** Whether another process's check counts although this one's clock can't prove its order. */
function trustsOthers(
  { staleWhileRevalidate }: Pick<FreshnessPolicy, 'staleWhileRevalidate'>,
  failure: UpstreamState['failure'],
): boolean {
  return staleWhileRevalidate > 0 || failure !== undefined;
}

function digestOf({ verifiedDigest, provenance }: StoredState): string | undefined {
  return verifiedDigest ?? provenance.digest;
}

function hasPresentRefs(stored: StoredState, { digest }: UpstreamState): boolean {
  return digest !== undefined && digestOf(stored) === digest;
}

function pastRefsOf(stored: StoredState, { past }: UpstreamState) {
  return past.find(({ digest }) => digest === digestOf(stored));
}

function earlier(a: Time, b: Time): Time {
  return a < b ? a : b;
}
