import { SnapshotError } from '../errors.js';
import type { IngestProgress } from '../pack/ingest-progress.js';

const MB = 1_000_000;

/**
 * Tells a client how far the clone of the repository is, if it may retry: then the next request
 * joins the clone, which goes on.
 *
 * @param progress of the clone that runs; `undefined`: none does, or no byte has arrived.
 * @returns the error, or a copy with a `clientDetail`.
 */
export function tellProgress(error: unknown, progress: IngestProgress | undefined): unknown {
  if (progress === undefined || !SnapshotError.is(error) || !error.isTransient) return error;
  const { code, message, cause, retryAfter, repository, limit } = error;
  const clientDetail = describe(progress);
  const options = { cause, retryAfter, repository, limit, clientDetail };
  return Object.assign(new SnapshotError(code, message, options), { stack: error.stack });
}

function describe({ phase, receivedBytes, receivedObjects, totalObjects }: IngestProgress): string {
  const bytes = `${(receivedBytes / MB).toFixed(1)} MB`;
  if (phase === 'resolving') return `the clone has received all ${bytes}, and checks them`;
  const objects =
    totalObjects === undefined ? '' : ` and ${receivedObjects} of ${totalObjects} objects`;
  return `the clone has received ${bytes}${objects} so far`;
}
