import type { StoredArtifact } from '../artifact/artifact.js';
import { isFixed } from '../artifact/id.js';
import type { MirrorLease } from '../mirror/mirror.js';
import type { BuildOrder } from './build.js';
import type { KnownUpstreams } from './known-upstreams.js';
import type { Found } from './stored-artifacts.js';
import type { UpstreamChecks } from './upstream-checks.js';

/** A build, and the stored artifact that it replaces. */
interface Replacement extends BuildOrder {
  readonly found: Found<StoredArtifact> | undefined;
}

interface LeaseParts {
  readonly known: KnownUpstreams;
  readonly checks: UpstreamChecks;
  readonly closing: AbortSignal;
}

/** Leases the mirror for a build. Checks the upstream if the mirror is older than allowed. */
export async function leaseForBuild(
  { id, requestedAt, isBackground, found }: Replacement,
  { known, checks, closing }: LeaseParts,
): Promise<MirrorLease> {
  // Another process may have built the stored artifact from newer refs than the mirror's.
  const storedAt = found?.artifact.storedAt ?? 0;
  const { repository } = id;
  const { lease, isCloned } = await checks.leaseMirror(repository, { isBackground });
  // Checks fetched nothing while there was no mirror: the new mirror may be behind the last check.
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
 * Whether the mirror has the refs of the last check, and this check is newer than the request or
 * the stored artifact's check. Otherwise the stored artifact may be newer than the mirror.
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
