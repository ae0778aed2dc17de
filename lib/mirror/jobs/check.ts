import type { UpstreamTask } from '../../upstream/task.js';
import { digestRefs } from '../disk/refs-file.js';
import type { JobContext } from './job-context.js';
import { type UpstreamState, withUpstream } from './upstream.js';

/** A check of an upstream that has no mirror. */
export interface CheckTask extends UpstreamTask {
  readonly kind: 'check';
}

export interface CheckResult extends UpstreamState {
  readonly kind: 'check';
}

/** @throws SnapshotError `UPSTREAM_*`, `REPOSITORY_UNSUPPORTED`, `LIMIT_EXCEEDED`. */
export async function checkUpstream(task: CheckTask, context: JobContext): Promise<CheckResult> {
  return await withUpstream(task, context, async ({ refs, findHead }) => {
    const head = await findHead();
    return { kind: 'check', head, digest: digestRefs(head, refs), refCount: refs.length };
  });
}
