import { reachableObjects } from '../../history/reachable-objects.js';
import type { IngestedPack } from '../../pack/ingest.js';
import { withReader } from '../../pack/reader.js';
import type { UpstreamTask } from '../../upstream/task.js';
import {
  createMirrorDirectories,
  packDirectory,
  packPaths,
  revisionDirectory,
} from '../disk/layout.js';
import { digestRefs, tipsOf, writeRefs } from '../disk/refs-file.js';
import { isSmall } from './connectivity.js';
import {
  type ImportedSnapshot,
  type ImportTask,
  importSnapshot,
  isBadContent,
  nothingImported,
  type Restored,
  removeImported,
} from './import-snapshot.js';
import type { JobContext } from './job-context.js';
import { type Upstream, type UpstreamState, withUpstream } from './upstream.js';
import { verifyRefs } from './verify-refs.js';

export interface CloneTask extends UpstreamTask, ImportTask {
  readonly kind: 'clone';
}

export interface CloneResult extends UpstreamState, Restored {
  readonly kind: 'clone';
  /** Packs from the upstream. */
  readonly fetched: readonly IngestedPack[];
  /** Whether all objects that are reachable from the refs are known to exist. */
  readonly isConnected: boolean;
}

/**
 * Fetches a repository into the directory of a mirror: one `info/refs` and one `upload-pack`, which
 * leaves out the objects of the snapshot. Before it writes the refs, it hashes every object and
 * checks every ref. In a small repository it also checks that all reachable objects exist.
 *
 * @throws SnapshotError `UPSTREAM_*`, `REPOSITORY_UNSUPPORTED`, `LIMIT_EXCEEDED`, `STORAGE_FULL`.
 */
export async function cloneMirror(task: CloneTask, context: JobContext): Promise<CloneResult> {
  return await withUpstream(task, context, async (upstream) => {
    await createMirrorDirectories(task.directory);
    const tips = new Set(tipsOf(upstream.head, upstream.refs));
    const imported = await importSnapshot(task, upstream.refs, tips, context);
    try {
      return await complete(task, context, upstream, tips, imported);
    } catch (error) {
      // The snapshot or the upstream is incomplete. A clone without the snapshot shows which one.
      if (imported.restored.length === 0 || !isBadContent(error)) throw error;
      await removeImported(task.directory);
      return await complete(task, context, upstream, tips, nothingImported(tips, error));
    }
  });
}

async function complete(
  { directory, limits }: CloneTask,
  { memory, signal }: JobContext,
  upstream: Upstream,
  tips: ReadonlySet<string>,
  { wants, haves, ...imported }: ImportedSnapshot,
): Promise<CloneResult> {
  const into = packDirectory(directory);
  const fetched = wants.length === 0 ? [] : [await upstream.fetch(wants, haves, into)];
  const head = await upstream.findHead();
  const packs = [...imported.restored, ...fetched];
  const names = packs.map(({ name }) => name);
  return await withReader(packPaths(directory, names), { limits, memory }, (reader) => {
    const refs = verifyRefs(reader, head, upstream.refs);
    const isConnected = packs.every(isSmall);
    if (isConnected) reachableObjects(reader, { include: tips, signal });
    const digest = digestRefs(head, refs);
    writeRefs(revisionDirectory(directory), digest, refs);
    const refCount = refs.length;
    return { kind: 'clone', ...imported, fetched, head, digest, refCount, isConnected };
  });
}
