import type { Head } from '../../git/refs.js';
import { discover, discoverUnbornHead } from '../../upstream/discover.js';
import { createHttpClient } from '../../upstream/http-client.js';
import type { UpstreamTask } from '../../upstream/task.js';
import { digestRefs } from '../disk/refs-file.js';

/** A check of an upstream that has no mirror. */
export interface CheckTask extends UpstreamTask {
  readonly kind: 'check';
}

export interface CheckResult {
  readonly kind: 'check';
  readonly head: Head;
  /** The digest that a mirror with these refs has. */
  readonly digest: string;
  /** How many refs there are. */
  readonly refCount: number;
}

/**
 * Asks an upstream for its refs: one `info/refs`, and one request more when HEAD has no commits.
 * Runs in a worker thread.
 *
 * @throws SnapshotError `UPSTREAM_*`, `REPOSITORY_UNSUPPORTED`, `LIMIT_EXCEEDED`.
 */
export async function checkUpstream(task: CheckTask, signal: AbortSignal): Promise<CheckResult> {
  const http = createHttpClient(task, signal);
  try {
    const { head: born, refs } = await discover(task, http);
    const head = born ?? (await discoverUnbornHead(task, http, refs));
    return { kind: 'check', head, digest: digestRefs(head, refs), refCount: refs.length };
  } finally {
    await http.close();
  }
}
