import { S3ServiceException } from '@aws-sdk/client-s3';
import { SnapshotError } from '../../errors.js';

/**
 * Waits for a request, which the SDK has tried again as often as it is configured to.
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

/** As `withRequestFailure`; what S3 answers to some status is no failure, and is named. */
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

/** Answers to HEAD have a status only. */
function describe(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const status = statusOf(error);
  const what = `${error.name}: ${error.message}`;
  return status !== undefined ? `the bucket's server answered ${status}: ${what}` : what;
}

/** S3 itself is never full; these are of Ceph, MinIO and others. */
function isFull(error: unknown): boolean {
  return isNamed(error, 'QuotaExceeded') || statusOf(error) === 507;
}

/** A bucket that is not there is a failure, unlike an object that is not there: both are a 404. */
function outcomeStatus(error: unknown): number | undefined {
  return isNamed(error, 'NoSuchBucket') ? undefined : statusOf(error);
}

export function statusOf(error: unknown): number | undefined {
  return error instanceof S3ServiceException ? error.$metadata.httpStatusCode : undefined;
}

export function isNamed(error: unknown, name: string): boolean {
  return error instanceof S3ServiceException && error.name === name;
}
