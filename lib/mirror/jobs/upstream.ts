import type { Head } from '../../git/refs.js';
import type { IngestedPack, IngestOptions } from '../../pack/ingest.js';
import type { Advertisement } from '../../upstream/advertisement.js';
import { discover, discoverUnbornHead } from '../../upstream/discover.js';
import { fetchPack } from '../../upstream/fetch-pack.js';
import { createHttpClient } from '../../upstream/http-client.js';
import type { UpstreamTask } from '../../upstream/task.js';
import type { JobContext } from './job-context.js';

/** The state of an upstream, as a job found it. */
export interface UpstreamState {
  readonly head: Head;
  /** Digest of HEAD and the refs. */
  readonly digest: string;
  readonly refCount: number;
}

export interface Upstream extends Advertisement {
  /** Finds HEAD. Makes one or two more requests if its branch has no commits. */
  findHead(): Promise<Head>;
  /** Fetches one pack into a directory. @throws SnapshotError as `fetchPack`. */
  fetch(
    wants: readonly string[],
    haves: readonly string[],
    directory: string,
    options?: Pick<IngestOptions, 'bases'>,
  ): Promise<IngestedPack>;
}

/**
 * Asks an upstream for its refs: one `info/refs`. Closes all connections when `work` is done.
 *
 * @throws SnapshotError as `discover` and `work`.
 */
export async function withUpstream<T>(
  task: UpstreamTask & {
    readonly otherRefs?: readonly string[];
    readonly commit?: string | undefined;
  },
  { onProgress, threads, signal }: JobContext,
  work: (upstream: Upstream) => Promise<T>,
): Promise<T> {
  const http = createHttpClient(task, signal, {
    onRequest: (request) => onProgress({ kind: 'request', ...request }),
  });
  try {
    const advertised = await discover(task, http, {
      names: new Set(task.otherRefs),
      commit: task.commit,
    });
    const { head, refs, capabilities } = advertised;
    return await work({
      ...advertised,
      findHead: async () => head ?? (await discoverUnbornHead(task, http, refs)),
      fetch: (wants, haves, directory, options = {}) => {
        const request = { wants, haves, capabilities };
        return fetchPack(task, http, request, directory, onProgress, { threads, ...options });
      },
    });
  } finally {
    await http.close();
  }
}
