import type { StoredArtifact } from '../artifact/artifact.js';
import { type ArtifactId, isFixed } from '../artifact/id.js';
import type { Time } from '../async/clock.js';
import type { MirrorLease } from '../mirror/mirror.js';
import type { KnownUpstreams } from './known-upstreams.js';
import type { Found } from './stored-artifacts.js';
import type { UpstreamChecks } from './upstream-checks.js';

/** What to build. */
export interface BuildOrder {
  readonly id: ArtifactId;
  /** When it was requested: the build must not show older refs. */
  readonly requestedAt: Time;
  /** Whether no client waits for it. */
  readonly isBackground: boolean;
  /** Whether to build also if the stored artifact is current. */
  readonly isForced: boolean;
}

/** What is built, in place of what. */
interface Replacement extends BuildOrder {
  readonly found: Found<StoredArtifact> | undefined;
}

interface LeaseParts {
  readonly known: KnownUpstreams;
  readonly checks: UpstreamChecks;
  readonly closing: AbortSignal;
}

/** Leases the repository's mirror, as fresh as the policy demands for a build. */
export async function leaseForBuild(
  { id, requestedAt, isBackground, found }: Replacement,
  { known, checks, closing }: LeaseParts,
): Promise<MirrorLease> {
  // Another process may have built the stored artifact from newer refs than the mirror's.
  const storedAt = found?.artifact.storedAt ?? 0;
  const { repository } = id;
  const { lease, isCloned } = await checks.leaseMirror(repository, { isBackground });
  // While there was no mirror, checks fetched nothing: the new mirror may be behind.
  const isBehind = known.digestOf(repository) !== lease.revision.digest;
  const mayWait = !known.isDue(repository) || (isBackground && known.isThrottled(repository));
  const needsNoCheck =
    isCloned ||
    known.isFailing(repository) ||
    known.wasCheckedSince(repository, { time: requestedAt }) ||
    (mayWait && known.wasCheckedSince(repository, { date: storedAt }));
  if (isFixed(id) || (needsNoCheck && !isBehind)) return lease;
  lease.release();
  // If the upstream does not answer, use the mirror as it is.
  await checks.tryCheck(repository, closing, { isBackground });
  return (await checks.leaseMirror(repository, { isBackground })).lease;
}

/**
 * Whether the mirror has the refs of a check since the request, or since the artifact was stored.
 * Otherwise the stored artifact may be newer than the mirror.
 */
export function isMirrorFresh(
  { id, requestedAt, found }: Replacement,
  { revision }: MirrorLease,
  known: KnownUpstreams,
): boolean {
  if (isFixed(id)) return true;
  const date = found?.provenance.knownAt ?? found?.artifact.storedAt ?? 0;
  const wasChecked =
    known.wasCheckedSince(id.repository, { time: requestedAt }) ||
    known.wasCheckedSince(id.repository, { date });
  return wasChecked && known.digestOf(id.repository) === revision.digest;
}
