import type { ArtifactId } from '../artifact/id.js';
import type { JobProgressEvent, JobStartedEvent } from '../events/job-events.js';
import { repositoryKey } from '../repository.js';
import type { FetchProgress } from '../upstream/fetch-progress.js';
import { shortened } from './failure.js';
import type { JobProgress, RunningJob } from './messages.js';

const NO_PROGRESS: JobProgress = { phase: 'waiting', receivedBytes: 0, receivedObjects: 0 };

export function runningJob(
  { id, kind, repository, artifact }: JobStartedEvent | JobProgressEvent,
  startedAt: number,
): RunningJob {
  const variant = artifact && variantOf(artifact);
  return { id, kind, name: repositoryKey(repository), variant, startedAt };
}

/** The job after one more report of its progress. */
export function afterProgress(job: RunningJob, progress: FetchProgress): RunningJob {
  const before = job.progress ?? NO_PROGRESS;
  switch (progress.kind) {
    case 'pack': {
      const { phase, receivedBytes, receivedObjects, totalObjects } = progress;
      const counts = { phase, receivedBytes, receivedObjects, totalObjects };
      return { ...job, progress: { ...counts, message: before.message } };
    }
    case 'message':
      return { ...job, progress: { ...before, message: shortened(lastLine(progress.text)) } };
    case 'request':
      return { ...job, progress: before };
  }
}

/** git sends several states of its progress at once, each with a carriage return at its end. */
function lastLine(text: string): string {
  return (
    text
      .trimEnd()
      .split(/[\r\n]+/)
      .at(-1) ?? ''
  );
}

function variantOf(id: ArtifactId): string | undefined {
  if (id.kind === 'bundle')
    return shortened(id.base === undefined ? 'bundle' : `bundle ${id.base}`);
  const { ref, depth } = id;
  const parts = [ref, depth !== undefined && `depth ${depth}`].filter(Boolean);
  return parts.length === 0 ? undefined : shortened(parts.join(', '));
}
