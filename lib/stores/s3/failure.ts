import { S3ServiceException } from '@aws-sdk/client-s3';
import { SnapshotError } from '../../errors.js';

/** A command of the SDK, as far as errors name it. */
export interface NamedCommand {
  readonly input: object;
}

/**
 * Waits for a request. The SDK has already retried it as often as configured.
 *
 * @param outcomes values to return for some statuses, instead of an error.
 * @throws the reason of the signal when that has aborted, otherwise SnapshotError: see `storeFailure`
 */
export async function answerOf<T, Outcome extends string = never>(
  request: Promise<T>,
  command: NamedCommand,
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
    if (outcome === undefined || isNamed(error, 'NoSuchBucket')) throw storeFailure(error, command);
    return outcome;
  }
}

/**
 * Gives the error of a request a code: `STORE_BUSY` if the server asks for fewer requests,
 * `STORAGE_FULL` from servers that have a limit, otherwise `STORE_FAILED`. The message names the
 * request.
 */
export function storeFailure(error: unknown, command: NamedCommand): SnapshotError {
  if (SnapshotError.is(error)) return error;
  const message = `${nameOf(command)}: ${describe(error)}`;
  const status = statusOf(error) ?? 0;
  if ([429, 503].includes(status) || isNamed(error, 'SlowDown'))
    return new SnapshotError('STORE_BUSY', message, { cause: error, retryAfter: delayOf(error) });
  // S3 itself is never full. Ceph, MinIO and others answer like this.
  const isFull = isNamed(error, 'QuotaExceeded') || status === 507;
  return new SnapshotError(isFull ? 'STORAGE_FULL' : 'STORE_FAILED', message, { cause: error });
}

/** As `GetObject of v1/github.com/org/repo/snapshot.object in bucket my-snapshots`. */
function nameOf(command: NamedCommand): string {
  const { name } = command.constructor;
  const { Bucket, Key }: { Bucket?: unknown; Key?: unknown } = command.input;
  return `${name.replace(/Command$/, '')}${Key === undefined ? '' : ` of ${Key}`} in bucket ${Bucket}`;
}

/** Includes the status, because answers to HEAD have nothing else. */
function describe(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const status = statusOf(error);
  const what = `${error.name}: ${error.message}`;
  return status !== undefined ? `the server answered ${status}: ${what}` : what;
}

/** The seconds of `Retry-After`, if the server has sent them. */
function delayOf(error: unknown): number | undefined {
  if (!(error instanceof S3ServiceException)) return undefined;
  const seconds = Number(error.$response?.headers['retry-after']);
  return Number.isInteger(seconds) && seconds > 0 ? seconds : undefined;
}

export function statusOf(error: unknown): number | undefined {
  return error instanceof S3ServiceException ? error.$metadata.httpStatusCode : undefined;
}

export function isNamed(error: unknown, name: string): boolean {
  return error instanceof S3ServiceException && error.name === name;
}
