import type { Head } from '../git/refs.js';
import { reachableObjects } from '../history/reachable-objects.js';
import type { IngestedPack } from '../pack/ingest.js';
import { withReader } from '../pack/with-reader.js';
import { discover, discoverUnbornHead } from '../upstream/discover.js';
import { fetchPack } from '../upstream/fetch-pack.js';
import { createHttpClient } from '../upstream/http-client.js';
import type { UpstreamTask } from '../upstream/task.js';
import type { JobContext } from './job-context.js';
import { createMirrorDirectories, packDirectory, packPaths, writeRefs } from './layout.js';
import { digestRefs, revisionDirectory } from './revision.js';
import { verifyRefs } from './verify-refs.js';

/** A clone to be made. */
export interface CloneTask extends UpstreamTask {
  readonly kind: 'clone';
  /** An empty directory that becomes the mirror; the caller's to remove when the clone fails. */
  readonly directory: string;
}

export interface CloneResult {
  readonly kind: 'clone';
  readonly packs: readonly IngestedPack[];
  readonly head: Head;
  /** Of HEAD and the refs, which were written. */
  readonly digest: string;
  /** Whether all that the refs lead to was found to be there. */
  readonly isConnected: boolean;
}

/** Up to so many objects are looked for at once: it takes about 100 ms, while a client waits. */
const MAX_CHECKED_OBJECTS = 5000;
/** Of all packs: few objects may still be large trees. */
const MAX_CHECKED_BYTES = 64 * 1024 * 1024;

/**
 * Fetches all of a repository into the directory of a mirror: one `info/refs`, one `upload-pack`. Every
 * object is hashed and every ref checked before the refs are written; of a small repository also whether
 * all that they lead to is there. What makes a mirror of the directory is left to the caller. Runs in a
 * worker thread.
 *
 * @throws SnapshotError `UPSTREAM_*`, `REPOSITORY_UNSUPPORTED`, `LIMIT_EXCEEDED`, `STORAGE_FULL`.
 */
export async function cloneMirror(
  task: CloneTask,
  { onProgress, threads, memory, signal }: JobContext,
): Promise<CloneResult> {
  const { directory, limits } = task;
  const http = createHttpClient({ ...task, ...limits, signal });
  try {
    const remote = await discover(task, http);
    await createMirrorDirectories(directory);
    const wants = new Set(remote.refs.values());
    if (remote.head?.oid !== undefined) wants.add(remote.head.oid);
    const request = { wants: [...wants], haves: [], capabilities: remote.capabilities };
    const into = packDirectory(directory);
    const packs =
      wants.size === 0 ? [] : [await fetchPack(task, http, request, into, onProgress, { threads })];
    const head = remote.head ?? (await discoverUnbornHead(task, http));
    const names = packs.map(({ name }) => name);
    return await withReader(packPaths(directory, names), { limits, memory }, (reader) => {
      const refs = verifyRefs(reader, head, remote.refs);
      const isConnected = packs.every(
        ({ objects, size }) => objects <= MAX_CHECKED_OBJECTS && size <= MAX_CHECKED_BYTES,
      );
      if (isConnected) reachableObjects(reader, { include: wants, signal });
      const digest = digestRefs(head, refs);
      writeRefs(revisionDirectory(directory), digest, refs);
      return { kind: 'clone', packs, head, digest, isConnected };
    });
  } finally {
    await http.close();
  }
}
