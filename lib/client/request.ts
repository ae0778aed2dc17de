import http, { type IncomingMessage } from 'node:http';
import https from 'node:https';
import { json } from 'node:stream/consumers';
import { unlessAborted } from '../async/abort.js';
import { hasCode, SnapshotError } from '../errors.js';
import { isRedirect, MAX_REDIRECTS, parseRetryAfter, redirectTarget } from '../read-http-answer.js';
import { limitBytes } from '../upstream/http-body.js';
import { DownloadError } from './download-error.js';
import type { ConnectionOptions } from './options.js';
import { throughProxy } from './proxy.js';
import { proxyFor } from './proxy-environment.js';

/** Milliseconds without a byte of the body. */
const IDLE_TIMEOUT = 5 * 60_000;
/** The most bytes to read of an error's body. */
const MAX_PROBLEM_BYTES = 64 * 1024;

/** Node's errors for headers and agents that it can't use. */
const UNUSABLE = [
  'ERR_INVALID_HTTP_TOKEN',
  'ERR_INVALID_CHAR',
  'ERR_HTTP_INVALID_HEADER_VALUE',
  'ERR_INVALID_PROTOCOL',
  'ERR_INVALID_ARG_TYPE',
];

/** What is sent. */
export interface RequestContent {
  readonly method: 'GET' | 'POST';
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Buffer;
}

export type RequestOptions = ConnectionOptions & { readonly signal?: AbortSignal | undefined };

/** Its reader destroys the body, or reads it to its end. */
export interface Answer {
  /** The body fails when the connection ends before it is complete, or pauses for 5 minutes. */
  readonly message: IncomingMessage;
  readonly status: number | undefined;
  /** Of the URL that answered, for messages. */
  readonly name: string;
  /** Answers of the first origin, redirects included; the last one comes first. */
  readonly ofServer: readonly IncomingMessage[];
}

/**
 * Sends a request, and follows redirects. A server that clones first may take minutes to answer, so
 * only `signal` limits this wait; the body must not pause for 5 minutes. Redirects from https to http
 * are refused. The caller's headers, which may hold credentials, go to the first origin alone.
 *
 * It does not use `fetch`, which waits for headers for 5 minutes at most; and the undici in Node 20
 * and 24 can end the process when a server closes a connection while the body is not being read
 * (nodejs/undici#5360).
 *
 * @throws DownloadError
 * @throws SnapshotError `INVALID_OPTIONS` for headers and agents that Node can't use.
 */
export async function sendRequest(
  first: URL,
  content: RequestContent,
  options: RequestOptions,
): Promise<Answer> {
  let url = first;
  let sent = options;
  const ofServer: IncomingMessage[] = [];
  for (let redirects = 0; ; redirects++) {
    const message = await request(url, content, sent);
    const { statusCode: status } = message;
    if (url.origin === first.origin) ofServer.unshift(message);
    if (!isFollowed(message, content)) return { message, status, name: nameOf(url), ofServer };
    message.destroy();
    if (redirects === MAX_REDIRECTS) {
      throw new DownloadError(`${nameOf(first)} redirects too often`, { status });
    }
    const next = redirectTarget(url, message.headers.location);
    if (next === undefined) {
      throw new DownloadError(`${nameOf(url)} redirects to no URL that is safe`, { status });
    }
    if (next.origin !== url.origin) sent = { ...sent, headers: {} };
    url = next;
  }
}

/** Other redirects would make a GET of a POST. */
function isFollowed(message: IncomingMessage, { method }: RequestContent): boolean {
  const { statusCode = 0 } = message;
  return isRedirect(message) && (method === 'GET' || statusCode === 307 || statusCode === 308);
}

/** The error for an answer with an unexpected status. Ends the answer. */
export async function failedAnswer({ message, name, status }: Answer): Promise<DownloadError> {
  const remoteCode = await problemCode(message);
  message.destroy();
  const text = `${name} answered ${status}${remoteCode === undefined ? '' : ` (${remoteCode})`}`;
  const retryAfter = parseRetryAfter(message.headers['retry-after']);
  return new DownloadError(text, { status, remoteCode, retryAfter });
}

/** The `code` of problem+json (RFC 9457). `undefined` if the body breaks off or is too long. */
async function problemCode(answer: IncomingMessage): Promise<string | undefined> {
  if (!headerOf(answer, 'content-type', /^application\/problem\+json\b/i)) return undefined;
  const read: Promise<unknown> = json(limitBytes(answer, MAX_PROBLEM_BYTES));
  const problem = await read.catch(() => undefined);
  if (typeof problem !== 'object' || problem === null || !('code' in problem)) return undefined;
  const { code } = problem;
  return typeof code === 'string' && /^[\w-]{1,64}$/.test(code) ? code : undefined;
}

async function request(
  url: URL,
  { method, body, headers: own }: RequestContent,
  options: RequestOptions,
): Promise<IncomingMessage> {
  const { signal } = options;
  const headers = { 'accept-encoding': 'identity', ...own, ...options.headers };
  const given = typeof options.agent === 'function' ? options.agent(url) : options.agent;
  const agent = given ?? false; // without an agent, the connection is closed with the answer
  const proxy = options.agent === undefined ? proxyFor(url) : undefined;
  const proxied = proxy && throughProxy(url, proxy, { headers, signal });
  const { request: send } = (proxied?.protocol ?? url.protocol) === 'https:' ? https : http;
  try {
    const answered = new Promise<IncomingMessage>((resolve, reject) => {
      const sent = send(url, { method, headers, signal, agent, ...proxied }, (answer) => {
        // Not of the socket: its listener would stay when an agent uses the connection again.
        sent.setTimeout(IDLE_TIMEOUT, () => answer.destroy(new Error('stalled')));
        // The reader of the body gets the error; without a listener it would end the process.
        answer.on('error', () => {});
        resolve(answer);
      }).on('error', reject);
      sent.end(body);
    });
    // Node ends an aborted request only when the agent has connected or failed.
    return await unlessAborted(answered, signal);
  } catch (error) {
    if (hasCode(error, ...UNUSABLE)) {
      const message = `${nameOf(url)}: ${error.message}`;
      throw new SnapshotError('INVALID_OPTIONS', message, { cause: error });
    }
    const reason = hasCode(error) ? error.code : String(error);
    throw new DownloadError(`${nameOf(url)}: ${reason}`, { cause: error });
  }
}

/** A header with one value, if it has this form. */
export function headerOf(
  { headers }: IncomingMessage,
  name: string,
  form: RegExp,
): string | undefined {
  const value = headers[name];
  return typeof value === 'string' && form.test(value) ? value : undefined;
}

/** For messages: queries may hold secrets. */
export function nameOf(url: URL): string {
  return url.origin + url.pathname;
}
