import type { SerializedError } from '../../errors.js';
import type { Head } from '../../git/refs.js';
import { reachableObjects } from '../../history/reachable-objects.js';
import type { IngestedPack } from '../../pack/ingest.js';
import { withReader } from '../../pack/reader.js';
import type { Advertisement } from '../../upstream/advertisement.js';
import { discover, discoverUnbornHead } from '../../upstream/discover.js';
import { fetchPack } from '../../upstream/fetch-pack.js';
import { createHttpClient, type UpstreamClient } from '../../upstream/http-client.js';
import type { UpstreamTask } from '../../upstream/task.js';
import {
  createMirrorDirectories,
  packDirectory,
  packPaths,
  revisionDirectory,
} from '../disk/layout.js';
import { digestRefs, writeRefs } from '../disk/refs-file.js';
import { isSmall } from './connectivity.js';
import {
  type ImportedSnapshot,
  importSnapshot,
  isBadContent,
  nothingImported,
  removeImported,
} from './import-snapshot.js';
import type { JobContext } from './job-context.js';
import { verifyRefs } from './verify-refs.js';

export interface CloneTask extends UpstreamTask {
  readonly kind: 'clone';
  /** An empty directory that becomes the mirror. If the clone fails, the caller removes it. */
  readonly directory: string;
  /** Path of an archive of the repository. The clone fetches only objects that it lacks. */
  readonly snapshot?: string | undefined;
}

export interface CloneResult {
  readonly kind: 'clone';
  /** Packs from the snapshot. */
  readonly restored: readonly IngestedPack[];
  /** Why the snapshot was not used. */
  readonly restoreFailure: SerializedError | undefined;
  readonly snapshotIsDamaged: boolean;
  /** Packs from the upstream. */
  readonly fetched: readonly IngestedPack[];
  readonly head: Head;
  /** Digest of HEAD and the refs, which are written. */
  readonly digest: string;
  /** How many refs there are. */
  readonly refCount: number;
  /** Whether all objects that are reachable from the refs are known to exist. */
  readonly isConnected: boolean;
  /** Whether packs may hold unreachable objects. */
  readonly leavesGarbage: boolean;
}

/**
 * Fetches a repository into the directory of a mirror: one `info/refs` and one `upload-pack`, which
 * leaves out the objects of the snapshot. Before it writes the refs, it hashes every object and
 * checks every ref. In a small repository it also checks that all reachable objects exist. The
 * caller publishes the first revision. Runs in a worker thread.
 *
 * @throws SnapshotError `UPSTREAM_*`, `REPOSITORY_UNSUPPORTED`, `LIMIT_EXCEEDED`, `STORAGE_FULL`.
 */
export async function cloneMirror(task: CloneTask, context: JobContext): Promise<CloneResult> {
  const { directory, limits } = task;
  const { signal } = context;
  const http = createHttpClient({ ...task, ...limits, signal });
  try {
    const remote = await discover(task, http);
    await createMirrorDirectories(directory);
    const tips = tipsOf(remote);
    const request = { task, context, http, remote, tips };
    const from = { directory, snapshot: task.snapshot, limits, advertised: remote.refs, tips };
    const imported = await importSnapshot(from, context);
    try {
      return await complete(request, imported);
    } catch (error) {
      // Either the snapshot was incomplete, or the upstream is. A clone of everything shows which.
      if (imported.restored.length === 0 || !isBadContent(error)) throw error;
      await removeImported(directory);
      return await complete(request, nothingImported(tips, error));
    }
  } finally {
    await http.close();
  }
}

interface Request {
  readonly task: CloneTask;
  readonly context: JobContext;
  readonly http: UpstreamClient;
  readonly remote: Advertisement;
  readonly tips: ReadonlySet<string>;
}

/** Fetches missing objects, checks objects and refs, and writes the refs. */
async function complete(
  { task, context, http, remote, tips }: Request,
  { restored, known, wants, haves, failure, isDamaged }: ImportedSnapshot,
): Promise<CloneResult> {
  const { directory, limits } = task;
  const { onProgress, threads, memory, signal } = context;
  const { capabilities } = remote;
  const into = packDirectory(directory);
  const request = { wants, haves, capabilities };
  const fetched =
    wants.length === 0 ? [] : [await fetchPack(task, http, request, into, onProgress, { threads })];
  const head = remote.head ?? (await discoverUnbornHead(task, http, remote.refs));
  const packs = [...restored, ...fetched];
  const names = packs.map(({ name }) => name);
  return await withReader(packPaths(directory, names), { limits, memory }, (reader) => {
    const refs = verifyRefs(reader, head, remote.refs);
    const isConnected = packs.every(isSmall);
    if (isConnected) reachableObjects(reader, { include: tips, signal });
    const digest = digestRefs(head, refs);
    writeRefs(revisionDirectory(directory), digest, refs);
    return {
      kind: 'clone',
      restored,
      restoreFailure: failure,
      snapshotIsDamaged: isDamaged,
      fetched,
      head,
      digest,
      refCount: refs.length,
      isConnected,
      leavesGarbage: [...known].some((oid) => !tips.has(oid)),
    };
  });
}

function tipsOf({ head, refs }: Advertisement): Set<string> {
  const tips = new Set(refs.oids());
  if (head?.oid !== undefined) tips.add(head.oid);
  return tips;
}
