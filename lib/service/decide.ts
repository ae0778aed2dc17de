import { bundleBasis } from '../artifact/etag.js';
import { type ArtifactId, isFixed, isVariant } from '../artifact/id.js';
import type { Provenance } from '../artifact/metadata.js';
import { type Moment, momentOf } from '../async/clock.js';
import type { FreshnessPolicy } from '../config/options.js';
import { isPlausible } from './fleet-checks.js';
import { isDue, isFailing, nextCheckAt, type UpstreamState } from './upstream-state.js';

// Decides from plain values how a request is answered. docs/freshness.md has the rules as a table.

/** The service's next step for a request. */
export type Action =
  /** Fail: the upstream has refused the repository for too long. */
  | 'refuse'
  /** Check the upstream, then decide again. */
  | 'check-first'
  | 'serve'
  /** Serve, and check the upstream in the background. */
  | 'serve-and-check'
  /** Serve, and build in the background. */
  | 'serve-and-build'
  /** Join the running build of the artifact, or begin one. */
  | 'build';

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
  const due = isDue(upstream, policy, now, momentOf(stored?.storedAt ?? 0, now));
  const isStrict = policy.mode === 'strict' && !isFixed(id);
  // If nothing is stored, the new build will check. A running one may have read older refs.
  if (isStrict && due && !isChecked && (stored !== undefined || isBuilding)) return 'check-first';
  if (stored === undefined) return 'build';
  const current = isCurrent(id, stored, upstream, policy);
  if (id.kind === 'bundle' && !current) return 'build';
  if (isStrict && !current) {
    const mayBeStale = upstream.failure !== undefined && !stored.isOfOtherFormat;
    return mayBeStale ? 'serve-and-build' : 'build';
  }
  const isCheckable = !isStrict && due && now.time >= nextCheckAt(upstream, policy);
  if (isFixed(id)) {
    if (!current) return 'serve-and-build';
    return isCheckable && stored.isPastRetention ? 'serve-and-check' : 'serve';
  }
  if (isCheckable) return 'serve-and-check';
  return current ? 'serve' : 'serve-and-build';
}

/**
 * Whether a build would give the stored artifact again, as far as this process knows; else it is
 * stale. Another process's artifact may be newer than this mirror: only a later check shows it
 * stale.
 */
export function isCurrent(
  id: ArtifactId,
  { provenance, isOfOtherFormat, verifiedDigest, isPastRetention }: StoredState,
  { digest, head, checkedAt, failure }: UpstreamState,
  { mode }: Pick<FreshnessPolicy, 'mode'>,
): boolean {
  if (isOfOtherFormat) return false;
  if (id.kind === 'bundle') {
    if (head === undefined || provenance.basis === bundleBasis(head)) return true;
  } else {
    if (digest === undefined || provenance.digest === digest) return true;
    if (isFixed(id) && !isPastRetention) return true;
    if (verifiedDigest !== undefined) return verifiedDigest === digest;
  }
  // While nothing is known of the upstream, any stored artifact counts as current.
  if (checkedAt === undefined) return true;
  const { knownAt } = provenance;
  const trustsOthers = mode !== 'strict' || failure !== undefined;
  if (!trustsOthers || knownAt === undefined) return false;
  return knownAt > checkedAt.date && isPlausible(knownAt);
}

/**
 * Milliseconds until a stale artifact may be built again in the background. Only the default
 * snapshot waits for `minRebuildInterval`: bundles lead from it to the latest commit.
 */
export function rebuildDelay(
  id: ArtifactId,
  { storedAt, isOfOtherFormat }: Pick<StoredState, 'storedAt' | 'isOfOtherFormat'>,
  { mode, minRebuildInterval }: FreshnessPolicy,
  now: Moment,
): number {
  if (mode === 'strict' || isVariant(id) || isOfOtherFormat) return 0;
  // If the clock was set back, the delay is the interval at most.
  const age = Math.max(now.date - storedAt, 0);
  return Math.max(minRebuildInterval - age, 0);
}
