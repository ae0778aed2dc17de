import { S3ServiceException } from '@aws-sdk/client-s3';
import { SnapshotError } from '../../errors.js';

/**
 * Waits for a request. The SDK has already retried it as often as configured.
 *
 * @param outcomes values to return for some statuses, instead of an error.
 * @throws the reason of the signal when that has aborted, otherwise SnapshotError `STORE_FAILED`
 *   or, from servers that have a limit, `STORAGE_FULL`
 */
export async function answerOf<T, Outcome extends string = never>(
  request: Promise<T>,
  signal: AbortSignal | undefined,
  outcomes: Readonly<Record<number, Outcome>> = {},
): Promise<T | Outcome> {
  try {
    return await request;
  } catch (error) {
    signal?.throwIfAborted();
    const status = statusOf(error);
    const outcome = status === undefined ? undefined : outcomes[status];
    // A missing bucket is a failure, a missing object is not. Both are a 404.
    if (outcome === undefined || isNamed(error, 'NoSuchBucket')) throw storeFailure(error);
    return outcome;
  }
}

export function storeFailure(error: unknown): SnapshotError {
  if (SnapshotError.is(error)) return error;
  // S3 itself is never full. Ceph, MinIO and others answer like this.
  const isFull = isNamed(error, 'QuotaExceeded') || statusOf(error) === 507;
  const code = isFull ? 'STORAGE_FULL' : 'STORE_FAILED';
  return new SnapshotError(code, describe(error), { cause: error });
}

/** Includes the status, because answers to HEAD have nothing else. */
function describe(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const status = statusOf(error);
  const what = `${error.name}: ${error.message}`;
  return status !== undefined ? `the bucket's server answered ${status}: ${what}` : what;
}

export function statusOf(error: unknown): number | undefined {
  return error instanceof S3ServiceException ? error.$metadata.httpStatusCode : undefined;
}

export function isNamed(error: unknown, name: string): boolean {
  return error instanceof S3ServiceException && error.name === name;
}
