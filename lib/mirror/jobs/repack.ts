import { type ReachableOptions, reachableObjects } from '../../history/reachable-objects.js';
import { everyObject } from '../../pack/encode-pack.js';
import type { IngestedPack } from '../../pack/ingest.js';
import type { ObjectSet } from '../../pack/object-set.js';
import { type ObjectReader, withReader } from '../../pack/reader.js';
import { writePack } from '../../pack/write-pack.js';
import { packPaths } from '../disk/layout.js';
import { readRefs, tipsOf } from '../disk/refs-file.js';
import { type MirrorTask, packsOf } from '../disk/revision.js';
import type { JobContext } from './job-context.js';

/**
 * The packs of a revision that become one pack: these names; all packs, without unreachable
 * objects; or the packs of commits that clients requested by id.
 */
export type RepackSelection = readonly string[] | 'reachable' | 'pinned';

export interface RepackTask extends MirrorTask {
  readonly kind: 'repack';
  readonly packs: RepackSelection;
  /** An empty directory for the new packs. */
  readonly incoming: string;
}

/** The new packs are in `incoming`. */
export interface RepackResult {
  readonly kind: 'repack';
  /** One pack that replaces the selected packs; none when it would have no objects. */
  readonly combined: readonly IngestedPack[];
  /** The same for all pinned packs, unless packs were selected by name. */
  readonly pinned: readonly IngestedPack[];
}

/**
 * Combines packs of a mirror. Memory: as `ingestPack`, and 20 bytes per object.
 *
 * @throws SnapshotError `MIRROR_CORRUPTED`, `LIMIT_EXCEEDED`, `STORAGE_FULL`.
 */
export async function repackMirror(task: RepackTask, context: JobContext): Promise<RepackResult> {
  const { mirror, revision, packs, limits } = task;
  const { memory, signal } = context;
  const writeObjects = async (reader: ObjectReader, objects: ObjectSet) =>
    objects.size === 0
      ? []
      : [await writePack(reader, objects, task.incoming, { ...context, limits })];
  if (packs !== 'reachable' && packs !== 'pinned') {
    return await withReader(packPaths(mirror, packs), { limits, memory }, async (reader) => ({
      kind: 'repack',
      combined: await writeObjects(reader, everyObject(reader)),
      pinned: [],
    }));
  }
  const tips = tipsOf(revision.head, readRefs(mirror, revision));
  const { commits } = revision.pinned;
  const all = packPaths(mirror, packsOf(revision));
  return await withReader(all, { limits, memory }, async (reader) => {
    const writeReachable = (walk: ReachableOptions) =>
      writeObjects(reader, reachableObjects(reader, { ...walk, signal }).objects);
    return {
      kind: 'repack',
      combined: packs === 'reachable' ? await writeReachable({ include: tips }) : [],
      pinned: await writeReachable({ include: commits, exclude: tips }),
    };
  });
}
