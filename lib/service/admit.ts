import { unlessAborted } from '../async/abort.js';
import { SnapshotError } from '../errors.js';
import type { RepositoryId } from '../repository.js';
import type { Refusals } from './refusals.js';
import type { UpstreamChecks } from './upstream-checks.js';

/**
 * Lets a client have a repository, unless its upstream has refused that for too long: then it is asked once
 * more first.
 *
 * @throws SnapshotError `UPSTREAM_NOT_FOUND`, `UPSTREAM_DENIED`; the signal's reason.
 */
export async function admit(
  repository: RepositoryId,
  { checks, refusals }: { readonly checks: UpstreamChecks; readonly refusals: Refusals },
  signal: AbortSignal | undefined,
): Promise<void> {
  if (!refusals.isOver(repository)) return;
  if (!checks.isFailing(repository)) {
    await unlessAborted(checks.check(repository), signal).catch((error: unknown) => {
      if (!(error instanceof SnapshotError) || signal?.aborted) throw error;
    });
  }
  refusals.throwIfOver(repository);
}
