import { setTimeout } from 'node:timers/promises';
import { elapsedSince, now } from '../async/clock.js';
import { MAX_DELAY } from '../async/deadline.js';
import { hasCode, SnapshotError } from '../errors.js';
import { DownloadError } from './download-error.js';

/** Milliseconds before the first retry if the server names no time; twice as long each time. */
const FIRST_DELAY = 500;
const LONGEST_DELAY = 15_000;
const DEFAULT_TIMEOUT = 60_000;

/** Failures of a connection that a restart of the server or the network explains. */
const CONNECTION_CODES = [
  'ECONNREFUSED',
  'ECONNRESET',
  'ECONNABORTED',
  'EPIPE',
  'ETIMEDOUT',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'EAI_AGAIN',
];
const STATUSES = [200, 429, 502, 503, 504];

/** @throws SnapshotError `INVALID_OPTIONS` */
export function parseRetryTimeout(milliseconds: number = DEFAULT_TIMEOUT): number {
  if (milliseconds >= 0) return milliseconds;
  throw new SnapshotError('INVALID_OPTIONS', 'retryTimeout must be a number from 0');
}

/**
 * Repeats a download that failed for a reason that may pass. Waits for as long as the server asks by
 * `Retry-After`, unless the wait would end after the timeout.
 *
 * @throws the last error of `attempt`; an `AbortError` when the signal aborts during a wait.
 */
export async function withRetries<T>(
  timeout: number,
  signal: AbortSignal | undefined,
  attempt: () => Promise<T>,
): Promise<T> {
  const start = now();
  for (let delay = FIRST_DELAY; ; delay = Math.min(2 * delay, LONGEST_DELAY)) {
    try {
      return await attempt();
    } catch (error) {
      if (!isPassing(error) || signal?.aborted) throw error;
      const wait = error.retryAfter === undefined ? delay : 1000 * error.retryAfter;
      if (elapsedSince(start) + wait > timeout) throw error;
      // Node takes a longer delay for 1 ms.
      await setTimeout(Math.min(wait, MAX_DELAY), undefined, { signal });
    }
  }
}

function isPassing(error: unknown): error is DownloadError {
  if (!DownloadError.is(error) || !error.isTransient) return false;
  if (error.status === undefined) return hasCode(error.cause, ...CONNECTION_CODES);
  return STATUSES.includes(error.status);
}
