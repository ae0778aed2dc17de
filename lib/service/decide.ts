import { bundleBasis } from '../artifact/etag.js';
import { type ArtifactId, isFixed } from '../artifact/id.js';
import type { Provenance } from '../artifact/metadata.js';
import { type Moment, momentOf } from '../async/clock.js';
import type { FreshnessPolicy } from '../config/options.js';
import { isPlausible } from './fleet-checks.js';
import { isDue, isFailing, nextCheckAt, type UpstreamState } from './upstream-state.js';

/*
 * What a request for an artifact gets, decided from plain values. docs/freshness.md has the same as
 * a table.
 */

/** What the service does for a request. */
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
  /** Join the build of the artifact that runs, or begin one. */
  | 'build';

/** What is known of a stored artifact. */
export interface StoredState {
  /** Milliseconds since the epoch. */
  readonly storedAt: number;
  readonly provenance: Provenance;
  /** Whether another version of this library, or other options, made it. */
  readonly isOfOtherFormat: boolean;
  /**
   * The upstream's digest for which this process has found the artifact to be current, if it has.
   */
  readonly verifiedDigest: string | undefined;
  /** Whether mirrors may have pruned the artifact's commit since it was stored. */
  readonly isPastRetention: boolean;
}

/** What the service has done for the request already. */
export interface RequestState {
  /** Whether it has checked the upstream, or must not. */
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
  // With nothing stored and no build running, the build will check. One that runs may have read the
  // refs before this request.
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
 * Whether a build would give the stored artifact again, as far as is known; else it is stale. An
 * artifact that another process stored may be newer than this process's mirror: only a check after
 * that shows it to be stale.
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
 * When a stale artifact may be built again in the background: milliseconds from now; 0: at once.
 *
 * Only the default snapshot waits for `minRebuildInterval`, as bundles lead from it to the latest
 * commit.
 */
export function rebuildDelay(
  isDefaultSnapshot: boolean,
  { storedAt, isOfOtherFormat }: Pick<StoredState, 'storedAt' | 'isOfOtherFormat'>,
  { mode, minRebuildInterval }: FreshnessPolicy,
  now: Moment,
): number {
  if (mode === 'strict' || !isDefaultSnapshot || isOfOtherFormat) return 0;
  // A clock that was set back delays nothing for longer than the interval.
  const age = Math.max(now.date - storedAt, 0);
  return Math.max(minRebuildInterval - age, 0);
}
