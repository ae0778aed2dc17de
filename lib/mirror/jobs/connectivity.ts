import { reachableObjects } from '../../history/reachable-objects.js';
import type { Limits } from '../../options.js';
import type { IngestedPack } from '../../pack/ingest.js';
import { withReader } from '../../pack/with-reader.js';
import { packPaths, readTips } from '../disk/layout.js';
import { type MirrorRevision, packsOf } from '../disk/revision.js';
import type { JobContext } from './job-context.js';

/** Up to so many objects are looked for at once: it takes about 100 ms, while a client waits. */
const MAX_CHECKED_OBJECTS = 5000;
/** Of a pack: few objects may still be large trees. */
const MAX_CHECKED_BYTES = 64 * 1024 * 1024;

/** Whether a pack takes so little time that its objects are looked for before anybody gets the mirror. */
export function isSmall({ objects, size }: Pick<IngestedPack, 'objects' | 'size'>): boolean {
  return objects <= MAX_CHECKED_OBJECTS && size <= MAX_CHECKED_BYTES;
}

/** A revision that may lack something that its refs lead to. */
export interface ConnectivityTask {
  readonly kind: 'connectivity';
  /** The mirror's directory. */
  readonly mirror: string;
  readonly revision: MirrorRevision;
  readonly limits: Limits;
}

/** All is there. */
export interface ConnectivityResult {
  readonly kind: 'connectivity';
}

/**
 * Looks for all that refs and pinned commits lead to, as git does after a clone. Runs in a worker thread.
 * git.git takes 6 seconds.
 *
 * @throws SnapshotError `UPSTREAM_INVALID` when something is missing or malformed, `REPOSITORY_DAMAGED`,
 * `LIMIT_EXCEEDED`.
 */
export async function checkConnectivity(
  { mirror, revision, limits }: ConnectivityTask,
  { memory, signal }: JobContext,
): Promise<ConnectivityResult> {
  const packs = packPaths(mirror, packsOf(revision));
  await withReader(packs, { limits, memory }, (reader) =>
    reachableObjects(reader, { include: all(mirror, revision), signal }),
  );
  return { kind: 'connectivity' };
}

function* all(mirror: string, revision: MirrorRevision): Generator<string> {
  yield* readTips(mirror, revision);
  yield* revision.pinned.commits;
}
