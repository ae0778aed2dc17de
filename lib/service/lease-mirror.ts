import { thisMoment } from '../async/clock.js';
import type { MirrorLease } from '../mirror/mirror.js';
import type { MirrorManager } from '../mirror/mirrors.js';
import type { RepositoryId } from '../repository.js';
import type { UpstreamChecks } from './upstream-checks.js';

export interface MirrorParts {
  readonly mirrors: MirrorManager;
  readonly checks: UpstreamChecks;
}

/** As `MirrorManager.lease`; takes note of what a clone that was made for it says of the upstream. */
export async function leaseMirror(
  { mirrors, checks }: MirrorParts,
  repository: RepositoryId,
  signal: AbortSignal,
  isBackground = false,
): Promise<{ readonly lease: MirrorLease; readonly isCloned: boolean }> {
  const begunAt = thisMoment();
  let isCloned = false;
  const onClone = () => {
    isCloned = true;
  };
  const lease = await mirrors.lease(repository, signal, { onClone, isBackground });
  if (isCloned) await checks.noteClone(repository, begunAt, lease.revision.digest);
  return { lease, isCloned };
}
