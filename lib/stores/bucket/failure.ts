import { SnapshotError } from '../../errors.js';
import { parseRetryAfter } from '../../read-http-answer.js';

/** The answer of a server that did not do what a request asked for. */
export interface Refusal {
  readonly status: number | undefined;
  /** The server's own code. */
  readonly code?: string | undefined;
  /** The header. */
  readonly retryAfter?: string | null | undefined;
}

const NO_BUCKET = ['NoSuchBucket', 'ContainerNotFound'];

/**
 * Makes errors from those of an SDK.
 *
 * @param refusalOf reads the SDK's error; `undefined`: the server did not answer.
 */
export function failuresOf(refusalOf: (error: unknown) => Refusal | undefined) {
  /**
   * S3, GCS and Azure are never full. Ceph, MinIO and others answer like this. An answer that
   * throttles (429, 503) is `STORE_BUSY`, and may say when to come back.
   */
  function storeFailure(error: unknown): SnapshotError {
    if (SnapshotError.is(error)) return error;
    const { status, code, retryAfter } = refusalOf(error) ?? {};
    const isFull = code === 'QuotaExceeded' || status === 507;
    const isBusy = status === 429 || status === 503 || code === 'SlowDown';
    const named = isFull ? 'STORAGE_FULL' : isBusy ? 'STORE_BUSY' : 'STORE_FAILED';
    return new SnapshotError(named, describe(error, status), {
      cause: error,
      retryAfter: parseRetryAfter(retryAfter ?? undefined),
    });
  }

  /**
   * Waits for a request. The SDK has already retried it as often as configured.
   *
   * @param outcomes values to return for some statuses, instead of an error.
   * @throws the reason of the signal when that has aborted, otherwise SnapshotError `STORE_FAILED`
   *   or, from servers that have a limit, `STORAGE_FULL`
   */
  async function answerOf<T, Outcome extends string = never>(
    request: Promise<T>,
    signal: AbortSignal | undefined,
    outcomes: Readonly<Record<number, Outcome>> = {},
  ): Promise<T | Outcome> {
    try {
      return await request;
    } catch (error) {
      signal?.throwIfAborted();
      const { status = 0, code = '' } = refusalOf(error) ?? {};
      const outcome = outcomes[status];
      // A missing bucket is a failure, a missing object is not. Both are a 404.
      if (outcome === undefined || NO_BUCKET.includes(code)) throw storeFailure(error);
      return outcome;
    }
  }

  return { answerOf, storeFailure };
}

/** Includes the status, because answers to HEAD have nothing else. */
function describe(error: unknown, status: number | undefined): string {
  if (!(error instanceof Error)) return String(error);
  const what = `${error.name}: ${error.message}`;
  return status === undefined ? what : `the server answered ${status}: ${what}`;
}
