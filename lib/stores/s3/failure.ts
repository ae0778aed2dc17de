import { S3ServiceException } from '@aws-sdk/client-s3';
import { SnapshotError } from '../../errors.js';

/**
 * Waits for a request. The SDK has already retried it as often as configured.
 *
 * @throws the reason of the signal when that has aborted, otherwise SnapshotError `STORE_FAILED`
 *   or, from servers that have a limit, `STORAGE_FULL`
 */
export async function withRequestFailure<T>(
  request: Promise<T>,
  signal?: AbortSignal | undefined,
): Promise<T> {
  try {
    return await request;
  } catch (error) {
    signal?.throwIfAborted();
    throw storeFailure(error);
  }
}

/** As `withRequestFailure`, but returns a named outcome for some statuses instead of throwing. */
export async function unlessStatus<T, Outcome extends string>(
  outcomes: Readonly<Record<number, Outcome>>,
  request: Promise<T>,
  signal: AbortSignal | undefined,
): Promise<T | Outcome> {
  try {
    return await request;
  } catch (error) {
    signal?.throwIfAborted();
    const outcome = outcomes[outcomeStatus(error) ?? 0];
    if (outcome === undefined) throw storeFailure(error);
    return outcome;
  }
}

export function storeFailure(error: unknown): SnapshotError {
  if (error instanceof SnapshotError) return error;
  const code = isFull(error) ? 'STORAGE_FULL' : 'STORE_FAILED';
  return new SnapshotError(code, describe(error), { cause: error });
}

/** Includes the status, as answers to HEAD have nothing else. */
function describe(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const status = statusOf(error);
  const what = `${error.name}: ${error.message}`;
  return status !== undefined ? `the bucket's server answered ${status}: ${what}` : what;
}

/** S3 itself is never full. Ceph, MinIO and others answer like this. */
function isFull(error: unknown): boolean {
  return isNamed(error, 'QuotaExceeded') || statusOf(error) === 507;
}

/** A missing bucket is a failure, a missing object is not. Both are a 404. */
function outcomeStatus(error: unknown): number | undefined {
  return isNamed(error, 'NoSuchBucket') ? undefined : statusOf(error);
}

export function statusOf(error: unknown): number | undefined {
  return error instanceof S3ServiceException ? error.$metadata.httpStatusCode : undefined;
}

export function isNamed(error: unknown, name: string): boolean {
  return error instanceof S3ServiceException && error.name === name;
}
