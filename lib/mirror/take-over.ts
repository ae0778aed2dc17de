import { unlessMissing } from '../fs/errors.js';
import { removeCrashed } from './disk/gc.js';
import { usedAtOf } from './disk/last-used.js';
import { isShownToGit } from './disk/layout.js';
import type { MirrorDirectory } from './disk/mirror-directory.js';
import { showCurrent } from './disk/publish.js';
import type { MirrorRevision } from './disk/revision.js';
import { Mirror } from './mirror.js';

/**
 * The mirror at a place that an earlier process, or another one, made; `undefined` when there is none. What
 * a crash left in it is removed, and what it left undone is done.
 *
 * @throws SnapshotError, and system errors, when it can't be read at the moment.
 */
export async function takeOver(
  directory: MirrorDirectory,
  place: string,
): Promise<Mirror | undefined> {
  const found = await directory.find(place);
  if (found === undefined) return undefined;
  const { revision, bytes } = found;
  // Another process may evict it at the same time.
  await unlessMissing(mend(place, revision));
  const usedAt = (await usedAtOf(place)) ?? Date.now();
  const mirror = new Mirror(revision.repository, place);
  mirror.usedAt = usedAt;
  mirror.notedAt = usedAt;
  mirror.bytes = bytes;
  await mirror.ensureReady(async () => revision);
  return mirror;
}

async function mend(place: string, revision: MirrorRevision): Promise<void> {
  await removeCrashed(place, revision, []);
  if (!(await isShownToGit(place, revision))) await showCurrent(place, revision);
}
