import { type ReachableOptions, reachableObjects } from '../../history/reachable-objects.js';
import type { Limits } from '../../options.js';
import { everyObject } from '../../pack/encode-pack.js';
import type { IngestedPack } from '../../pack/ingest.js';
import type { ObjectSet } from '../../pack/object-set.js';
import type { ObjectReader } from '../../pack/reader.js';
import { withReader } from '../../pack/with-reader.js';
import { writePack } from '../../pack/write-pack.js';
import { packPaths, readTips } from '../disk/layout.js';
import { type MirrorRevision, packsOf } from '../disk/revision.js';
import type { JobContext } from './job-context.js';

/** Packs of a mirror to be put together. */
export interface ConsolidateTask {
  readonly kind: 'consolidate';
  /** The mirror's directory. */
  readonly mirror: string;
  readonly revision: MirrorRevision;
  /**
   * Packs of the revision that become one. `reachable`: all of them, without what no ref leads to.
   * `pinned`: those of commits that were asked for by their id.
   */
  readonly packs: readonly string[] | 'reachable' | 'pinned';
  /** An empty directory for what is written. */
  readonly incoming: string;
  readonly limits: Limits;
}

/** The packs lie in `incoming`. */
export interface ConsolidateResult {
  readonly kind: 'consolidate';
  /** In place of those that were named; `undefined` when nothing is left of them. */
  readonly combined: IngestedPack | undefined;
  /** In place of all pinned ones, unless packs were named. */
  readonly pinned: IngestedPack | undefined;
}

/**
 * Puts packs of a mirror together. Runs in a worker thread. Memory: as `ingestPack`, and 20 bytes an
 * object.
 *
 * @throws SnapshotError `REPOSITORY_DAMAGED`, `LIMIT_EXCEEDED`, `STORAGE_FULL`.
 */
export async function consolidate(
  task: ConsolidateTask,
  context: JobContext,
): Promise<ConsolidateResult> {
  const { mirror, revision, packs, limits } = task;
  const { memory, signal } = context;
  const writeInto = async (reader: ObjectReader, objects: ObjectSet) => {
    if (objects.size === 0) return undefined;
    return await writePack(reader, objects, task.incoming, { ...context, limits });
  };
  if (packs !== 'reachable' && packs !== 'pinned') {
    return await withReader(packPaths(mirror, packs), { limits, memory }, async (reader) => ({
      kind: 'consolidate',
      combined: await writeInto(reader, everyObject(reader)),
      pinned: undefined,
    }));
  }
  const tips = readTips(mirror, revision);
  const { commits } = revision.pinned;
  const all = packPaths(mirror, packsOf(revision));
  return await withReader(all, { limits, memory }, async (reader) => {
    const write = async (walk: ReachableOptions) =>
      await writeInto(reader, reachableObjects(reader, { ...walk, signal }).objects);
    return {
      kind: 'consolidate',
      combined: packs === 'reachable' ? await write({ include: tips }) : undefined,
      pinned: await write({ include: commits, exclude: tips }),
    };
  });
}
