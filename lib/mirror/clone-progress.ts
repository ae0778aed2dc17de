import { SnapshotError } from '../errors.js';
import type { IngestProgress } from '../pack/ingest-progress.js';

const MB = 1_000_000;

/**
 * Tells a client how far a clone of the repository is, or was when it failed, if a retry may help.
 *
 * @param progress of the clone; `undefined`: there is none, or no byte has arrived.
 * @returns the error, or a copy with a `clientDetail`.
 */
export function tellProgress(
  error: SnapshotError,
  progress: IngestProgress | undefined,
  { hasEnded = false } = {},
): SnapshotError {
  if (progress === undefined || !error.isTransient || error.clientDetail !== undefined)
    return error;
  const { code, message, cause, retryAfter, repository, limit } = error;
  const received = describe(progress);
  const clientDetail = hasEnded
    ? `the clone had received ${received} when it failed`
    : `the clone has received ${received} so far`;
  const options = { cause, retryAfter, repository, limit, clientDetail };
  return Object.assign(new SnapshotError(code, message, options), { stack: error.stack });
}

function describe({ phase, receivedBytes, receivedObjects, totalObjects }: IngestProgress): string {
  const bytes = `${(receivedBytes / MB).toFixed(1)} MB`;
  if (phase === 'resolving') return `all ${bytes}`;
  return totalObjects === undefined
    ? bytes
    : `${bytes} and ${receivedObjects} of ${totalObjects} objects`;
}
