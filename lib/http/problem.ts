import { type OutgoingHttpHeaders, OutgoingMessage, type ServerResponse } from 'node:http';
import { TLSSocket } from 'node:tls';
import { callHost } from '../call-host.js';
import { ERRORS } from '../error-codes.js';
import type { SnapshotError } from '../errors.js';

/** Seconds of `Retry-After` if an error has none: the default of `negativeCacheTtl`. */
const DEFAULT_RETRY_AFTER = 30;

/**
 * Answers with an `application/problem+json` body (RFC 9457). It is made from the code, the name of
 * the limit and `clientDetail`, so no internal text can leak. If another answer has begun, breaks
 * the connection: a clean end would mean success.
 *
 * @param status for routes that differ from `httpStatus`.
 */
export function sendProblem(
  res: ServerResponse,
  error: SnapshotError,
  headers: OutgoingHttpHeaders = {},
  status = error.httpStatus,
): void {
  if (isHeadSent(res)) {
    breakConnection(res);
    return;
  }
  const mayRetry = error.isTransient && (status === 429 || status === 503);
  const body = JSON.stringify({
    type: `urn:problem-type:express-git-snapshot:${error.code.toLowerCase().replaceAll('_', '-')}`,
    title: error.clientText,
    status,
    detail: detailOf(error, mayRetry ? retryAfterOf(error) : undefined),
    code: error.code,
  });
  res.writeHead(status, {
    'Content-Type': 'application/problem+json',
    'Content-Length': Buffer.byteLength(body),
    'Cache-Control': 'no-store',
    ...(mayRetry && { 'Retry-After': retryAfterOf(error) }),
    ...headers,
  });
  res.end(body);
}

/**
 * For people: what is wrong in this case, what to do next, and for how long a failure that is not
 * transient is remembered.
 *
 * @param retryAfter seconds, if a retry may help.
 */
function detailOf(error: SnapshotError, retryAfter: number | undefined): string {
  const { code, clientDetail = '', limit } = error;
  const [, , , advice] = ERRORS[code];
  const isRemembered = !error.isTransient && error.retryAfter !== undefined;
  const sentences = [
    clientDetail && `${clientDetail.slice(0, 1).toUpperCase()}${clientDetail.slice(1)}.`,
    limit && `The limit is the option ${limit}.`,
    retryAfter === undefined
      ? advice
      : advice.replace(/^Try again later/, `Try again after ${retryAfter} s`),
    isRemembered && `The server does not try again within ${retryAfterOf(error)} s.`,
  ];
  return sentences.filter(Boolean).join(' ');
}

/** Whole seconds, at least 1. A store or a service of the host app may give no usable number. */
function retryAfterOf({ retryAfter = Number.NaN }: SnapshotError): number {
  const seconds = Math.max(1, Math.ceil(retryAfter));
  return Number.isSafeInteger(seconds) ? seconds : DEFAULT_RETRY_AFTER;
}

/** As `sendProblem`, but never throws: breaks the connection if a header or `writeHead` is bad. */
export function sendProblemOrBreak(res: ServerResponse, error: SnapshotError, status?: number) {
  callHost('a response', () => {
    try {
      sendProblem(res, error, {}, status);
    } catch (impossible) {
      res.destroy();
      throw impossible;
    }
  });
}

/**
 * Whether the status and headers were sent. @fastify/express gives responses a `headersSent` of its
 * own, so this asks Node's. Those of HTTP/2 are of another class.
 */
export function isHeadSent(res: ServerResponse): boolean {
  const { prototype } = OutgoingMessage;
  const isNodes = Object.prototype.isPrototypeOf.call(prototype, res);
  return isNodes ? Reflect.get(prototype, 'headersSent', res) === true : res.headersSent;
}

/**
 * Resets TCP connections instead of closing them: to proxies that speak HTTP/1.0, which has no
 * framing, a close is the end of the body.
 */
function breakConnection(res: ServerResponse): void {
  if (res.writableEnded) return;
  const { socket } = res;
  const overTcp = socket?.remoteFamily !== undefined && !(socket instanceof TLSSocket);
  if (overTcp) socket.resetAndDestroy();
  else res.destroy();
}
