import type { SerializedError } from '../../errors.js';
import type { Head } from '../../git/refs.js';
import { reachableObjects } from '../../history/reachable-objects.js';
import type { IngestedPack } from '../../pack/ingest.js';
import { withReader } from '../../pack/with-reader.js';
import type { Advertisement } from '../../upstream/advertisement.js';
import { discover, discoverUnbornHead } from '../../upstream/discover.js';
import { fetchPack } from '../../upstream/fetch-pack.js';
import { createHttpClient, type UpstreamClient } from '../../upstream/http-client.js';
import type { UpstreamTask } from '../../upstream/task.js';
import { createMirrorDirectories, packDirectory, packPaths, writeRefs } from '../disk/layout.js';
import { digestRefs, revisionDirectory } from '../disk/revision.js';
import { isSmall } from './connectivity.js';
import {
  type Bootstrap,
  bootstrap,
  emptyPackDirectory,
  isOfContent,
  nothingRestored,
} from './import-snapshot.js';
import type { JobContext } from './job-context.js';
import { verifyRefs } from './verify-refs.js';

/** A clone to be made. */
export interface CloneTask extends UpstreamTask {
  readonly kind: 'clone';
  /** An empty directory that becomes the mirror; the caller's to remove when the clone fails. */
  readonly directory: string;
  /** An archive of a snapshot of the repository: what is in there need not be fetched. */
  readonly snapshot?: string | undefined;
}

export interface CloneResult {
  readonly kind: 'clone';
  /** From the snapshot. */
  readonly restored: readonly IngestedPack[];
  /** Why nothing is from the snapshot that was given. */
  readonly restoreFailure: SerializedError | undefined;
  readonly snapshotIsDamaged: boolean;
  /** From the upstream. */
  readonly fetched: readonly IngestedPack[];
  readonly head: Head;
  /** Of HEAD and the refs, which were written. */
  readonly digest: string;
  /** How many refs there are. */
  readonly refCount: number;
  /** Whether all that the refs lead to was found to be there. */
  readonly isConnected: boolean;
  /** Whether packs may hold what no ref leads to. */
  readonly leavesGarbage: boolean;
}

/**
 * Fetches a repository into the directory of a mirror: one `info/refs`, one `upload-pack`, for all of it or,
 * with a snapshot, for what that lacks. Every object is hashed and every ref checked before the refs are
 * written; of a small repository also whether all that they lead to is there. What makes a mirror of the
 * directory is left to the caller. Runs in a worker thread.
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
    const base = await bootstrap(task, context, remote, tips);
    try {
      return await complete(request, base);
    } catch (error) {
      // What seemed to be whole may not have been; whether it is that, or the upstream, does not show.
      if (base.restored.length === 0 || !isOfContent(error)) throw error;
      await emptyPackDirectory(directory);
      return await complete(request, nothingRestored(tips, error));
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

/** Fetches what is not there yet, checks all, and writes the refs. */
async function complete(
  { task, context, http, remote, tips }: Request,
  { restored, known, wants, haves, failure, isDamaged }: Bootstrap,
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
