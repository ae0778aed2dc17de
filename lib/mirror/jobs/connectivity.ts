import { reachableObjects } from '../../history/reachable-objects.js';
import type { IngestedPack } from '../../pack/ingest.js';
import { withReader } from '../../pack/reader.js';
import { packPaths } from '../disk/layout.js';
import { readRefs, tipsOf } from '../disk/refs-file.js';
import { type MirrorTask, packsOf } from '../disk/revision.js';
import type { JobContext } from './job-context.js';

/** A check of as many objects takes about 100 ms. */
const MAX_CHECKED_OBJECTS = 5000;
/** Bytes of a pack: few objects may still be large trees. */
const MAX_CHECKED_BYTES = 64 * 1024 * 1024;

/** Whether the connectivity of a pack's objects is checked before a client gets the mirror. */
export function isSmall({ objects, size }: IngestedPack): boolean {
  return objects <= MAX_CHECKED_OBJECTS && size <= MAX_CHECKED_BYTES;
}

export interface ConnectivityTask extends MirrorTask {
  readonly kind: 'connectivity';
}

/**
 * Checks that all objects exist that are reachable from refs and pinned commits, as git does after
 * a clone. git.git takes 6 seconds.
 *
 * @throws SnapshotError `UPSTREAM_INVALID`, `MIRROR_CORRUPTED`, `LIMIT_EXCEEDED`.
 */
export async function checkConnectivity(
  { mirror, revision, limits }: ConnectivityTask,
  { memory, signal }: JobContext,
): Promise<{ readonly kind: 'connectivity' }> {
  const packs = packPaths(mirror, packsOf(revision));
  const include = tipsOf(revision.head, readRefs(mirror, revision), revision.pinned.commits);
  await withReader(packs, { limits, memory }, (reader) =>
    reachableObjects(reader, { include, signal }),
  );
  return { kind: 'connectivity' };
}
