import type { Head } from '../git/refs.js';
import { discover, discoverUnbornHead } from '../upstream/discover.js';
import { createHttpClient } from '../upstream/http-client.js';
import type { UpstreamTask } from '../upstream/task.js';
import { digestRefs } from './revision.js';

/** A question to an upstream of which there is no mirror. */
export interface CheckTask extends UpstreamTask {
  readonly kind: 'check';
}

export interface CheckResult {
  readonly kind: 'check';
  readonly head: Head;
  /** As of a mirror that has the same. */
  readonly digest: string;
}

/**
 * Finds out what a mirror would hold: one `info/refs`, and one request more when HEAD has no commits. Runs
 * in a worker thread.
 *
 * @throws SnapshotError `UPSTREAM_*`, `REPOSITORY_UNSUPPORTED`, `LIMIT_EXCEEDED`.
 */
export async function checkUpstream(task: CheckTask, signal: AbortSignal): Promise<CheckResult> {
  const http = createHttpClient({ ...task, ...task.limits, signal });
  try {
    const { head: born, refs } = await discover(task, http);
    const head = born ?? (await discoverUnbornHead(task, http));
    const advertised = Array.from(refs, ([name, oid]) => ({ name, oid }));
    return { kind: 'check', head, digest: digestRefs(head, advertised) };
  } finally {
    await http.close();
  }
}
