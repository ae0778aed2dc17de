import type { OutgoingHttpHeaders, ServerResponse } from 'node:http';
import { TLSSocket } from 'node:tls';
import type { SnapshotError, SnapshotErrorCode } from '../errors.js';

/** Codes of the restore client and of the options never reach a request; they would be our fault. */
const STATUS: Record<SnapshotErrorCode, number> = {
  INVALID_OPTIONS: 500,
  INVALID_REPOSITORY: 400,
  INVALID_REQUEST: 400,
  UNAUTHORIZED: 401,
  FORBIDDEN: 403,
  METHOD_NOT_ALLOWED: 405,
  NOT_STORED: 404,
  REF_NOT_FOUND: 404,
  BASE_NOT_FOUND: 404,
  PRECONDITION_FAILED: 412,
  CONTENT_TOO_LARGE: 413,
  RANGE_NOT_SATISFIABLE: 416,
  UPSTREAM_NOT_FOUND: 503,
  UPSTREAM_DENIED: 503,
  UPSTREAM_UNREACHABLE: 503,
  UPSTREAM_TIMEOUT: 503,
  UPSTREAM_INVALID: 503,
  REPOSITORY_INVALID: 503,
  REPOSITORY_UNSUPPORTED: 503,
  LIMIT_EXCEEDED: 503,
  REPOSITORY_DAMAGED: 503,
  STORE_FAILED: 500,
  STORAGE_FULL: 507,
  OVERLOADED: 503,
  TOO_MANY_VARIANTS: 429,
  LOCK_FAILED: 503,
  TARGET_NOT_EMPTY: 500,
  DOWNLOAD_FAILED: 500,
  ARCHIVE_INVALID: 500,
  ABORTED: 503,
  CLOSED: 503,
  INTERNAL: 500,
};

/** Seconds, for a 429 or 503 whose error names none: as long as a failed clone is remembered by default. */
const DEFAULT_RETRY_AFTER = 30;

/** The HTTP status that a code is answered with. */
export function problemStatus(code: SnapshotErrorCode): number {
  return STATUS[code];
}

/**
 * Answers with an `application/problem+json` body (RFC 9457): `type`, `title`, `status` and our stable
 * `code`, all of which follow from the code alone, so that nothing inward can leak. Every 429 and 503 has a
 * `Retry-After` in whole seconds. Routes with a table of their own give another `status`. Once the head of
 * another answer is out, the connection is broken instead: a clean end would be taken as success.
 */
export function sendProblem(
  res: ServerResponse,
  error: SnapshotError,
  headers: OutgoingHttpHeaders = {},
  status = problemStatus(error.code),
): void {
  if (res.headersSent) {
    breakConnection(res);
    return;
  }
  const body = JSON.stringify({
    type: `urn:problem-type:express-git-snapshot:${error.code.toLowerCase().replaceAll('_', '-')}`,
    title: error.clientText,
    status,
    code: error.code,
  });
  res.writeHead(status, {
    'Content-Type': 'application/problem+json',
    'Content-Length': Buffer.byteLength(body),
    'Cache-Control': 'no-store',
    ...((status === 429 || status === 503) && { 'Retry-After': retryAfter(error) }),
    ...headers,
  });
  res.end(body);
}

/**
 * The same as the last word: the host's code may have made it impossible to answer, by its headers or a
 * `writeHead` of its own. Then the connection is broken.
 *
 * @param status as for `sendProblem`.
 * @throws what made it impossible.
 */
export function sendProblemOrBreak(
  res: ServerResponse,
  error: SnapshotError,
  status?: number,
): void {
  try {
    sendProblem(res, error, {}, status);
  } catch (impossible) {
    res.destroy();
    throw impossible;
  }
}

function retryAfter({ retryAfter: seconds = DEFAULT_RETRY_AFTER }: SnapshotError): number {
  return Math.max(1, Math.ceil(seconds));
}

/**
 * Resets TCP connections rather than closing them: HTTP/1.0, which some proxies speak to their
 * upstreams, has no framing, and would take a close for the end of a generated body.
 */
function breakConnection(res: ServerResponse): void {
  if (res.writableEnded) return;
  const { socket } = res;
  const overTcp = socket?.remoteFamily !== undefined && !(socket instanceof TLSSocket);
  if (overTcp) socket.resetAndDestroy();
  else res.destroy();
}
