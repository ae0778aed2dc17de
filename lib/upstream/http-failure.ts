import type { IncomingMessage } from 'node:http';
import type { SnapshotErrorCode } from '../error-codes.js';
import { hasCode, SnapshotError } from '../errors.js';
import { parseRetryAfter } from '../read-http-answer.js';

/** Seconds. A longer `Retry-After` is cut to this: an upstream must not pause its host for days. */
const MAX_RETRY_AFTER = 3600;

/**
 * The failure that an answer means, without text from the upstream; `undefined` for the answer that
 * git expects.
 *
 * @param request `authorized`: whether it had credentials. `where` names the upstream in messages.
 */
export function answerFailure(
  { statusCode = 0, headers }: IncomingMessage,
  { answerType, authorized, where }: { answerType: string; authorized: boolean; where: string },
): SnapshotError | undefined {
  const message = `${where} answered ${statusCode}`;
  const seconds = parseRetryAfter(headers['retry-after']);
  const retryAfter = seconds === undefined ? undefined : Math.min(seconds, MAX_RETRY_AFTER);
  // A 403 with Retry-After means that there were too many requests.
  if (statusCode === 429 || (statusCode === 403 && retryAfter !== undefined)) {
    return new SnapshotError('UPSTREAM_RATE_LIMITED', message, { retryAfter });
  }
  if (statusCode >= 500) return new SnapshotError('UPSTREAM_UNREACHABLE', message, { retryAfter });
  switch (statusCode) {
    case 200:
      if (mediaType(headers['content-type']) === answerType) return undefined;
      return new SnapshotError('UPSTREAM_INVALID', `${where} is not served by smart HTTP`);
    case 401:
      // Git hosts answer 401 to anonymous clients for missing repositories, as for private ones.
      return new SnapshotError(authorized ? 'UPSTREAM_DENIED' : 'UPSTREAM_NOT_FOUND', message);
    case 403:
      return new SnapshotError('UPSTREAM_DENIED', message);
    case 404:
    case 410:
      return new SnapshotError('UPSTREAM_NOT_FOUND', message);
    default:
      return new SnapshotError('UPSTREAM_INVALID', message);
  }
}

/** `Content-Type` (RFC 9110, 8.3) without its parameters. */
function mediaType(value: string | undefined): string | undefined {
  return value?.split(';', 1)[0]?.trim().toLowerCase();
}

/** Gives a code to an error of Node, OpenSSL or zlib. Returns any other error as it is. */
export function networkFailure(error: unknown, where: string): unknown {
  if (SnapshotError.is(error) || !hasCode(error)) return error;
  const message = `${where}: ${error.code}`;
  // The parser's error is not kept as the cause: it carries the bytes that were received.
  if (error.code.startsWith('HPE_')) return new SnapshotError('UPSTREAM_INVALID', message);
  return new SnapshotError(codeFor(error), message, { cause: error });
}

function codeFor(error: Error): SnapshotErrorCode {
  if (hasCode(error, 'Z_DATA_ERROR', 'Z_BUF_ERROR', 'Z_NEED_DICT')) return 'UPSTREAM_INVALID';
  return hasCode(error, 'ETIMEDOUT') ? 'UPSTREAM_TIMEOUT' : 'UPSTREAM_UNREACHABLE';
}
