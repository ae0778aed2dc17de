import http, { type IncomingMessage } from 'node:http';
import https from 'node:https';
import { json } from 'node:stream/consumers';
import { unlessAborted } from '../async/abort.js';
import { hasCode, SnapshotError } from '../errors.js';
import { isRedirect, MAX_REDIRECTS, parseRetryAfter, redirectTarget } from '../read-http-answer.js';
import { limitBytes } from '../upstream/http-body.js';
import { DownloadError } from './download-error.js';
import type { RestoreOptions } from './options.js';
import { throughProxy } from './proxy.js';
import { proxyFor } from './proxy-environment.js';

/** Milliseconds without a byte of the body. */
const IDLE_TIMEOUT = 5 * 60_000;
/** The most bytes to read of an error's body. */
const MAX_PROBLEM_BYTES = 64 * 1024;
const COMMIT = /^(?:[0-9a-f]{40}|[0-9a-f]{64})$/;

/** Node's errors for headers and agents that it can't use. */
const UNUSABLE = [
  'ERR_INVALID_HTTP_TOKEN',
  'ERR_INVALID_CHAR',
  'ERR_HTTP_INVALID_HEADER_VALUE',
  'ERR_INVALID_PROTOCOL',
  'ERR_INVALID_ARG_TYPE',
];

export type RequestOptions = Pick<RestoreOptions, 'headers' | 'agent' | 'signal'>;

/** An answer with a snapshot. Its reader destroys the body, or reads it to its end. */
export interface Download {
  /** The body fails when the connection ends before it is complete, or pauses for 5 minutes. */
  readonly body: IncomingMessage;
  /** Of the body, for messages. */
  readonly name: string;
  /** The commit of HEAD, if the server names it. */
  readonly commit: string | undefined;
  /** Bytes, if the server knows the size already. */
  readonly totalBytes: number | undefined;
  /** A strong entity tag: equal tags mean equal bytes. */
  readonly etag: string | undefined;
}

/**
 * Requests a snapshot. A server that clones first may take minutes to answer, so only `signal`
 * limits this wait; the body must not pause for 5 minutes. Redirects from https to http are
 * refused. The caller's headers, which may hold credentials, go to the first origin alone.
 *
 * It does not use `fetch`, which waits for headers for 5 minutes at most; and the undici in Node 20
 * and 24 can end the process when a server closes a connection while the body is not being read
 * (nodejs/undici#5360).
 *
 * @throws DownloadError
 * @throws SnapshotError `INVALID_OPTIONS` for headers and agents that Node can't use.
 */
export async function startDownload(first: URL, options: RequestOptions): Promise<Download> {
  const { name, answer, commit } = await followRedirects(first, options);
  if (answer.statusCode !== 200) throw await failedAnswer(answer, name);
  const length = headerOf(answer, 'content-length', /^\d{1,15}$/);
  const totalBytes = length === undefined ? undefined : Number(length);
  const etag = headerOf(answer, 'etag', /^"[^"]*"$/);
  return { body: answer, name, commit, totalBytes, etag };
}

/** The error for an answer with an unexpected status. Ends the answer. */
export async function failedAnswer(answer: IncomingMessage, name: string): Promise<DownloadError> {
  const status = answer.statusCode;
  const remoteCode = await problemCode(answer);
  answer.destroy();
  const message = `${name} answered ${status}${remoteCode === undefined ? '' : ` (${remoteCode})`}`;
  const retryAfter = parseRetryAfter(answer.headers['retry-after']);
  return new DownloadError(message, { status, remoteCode, retryAfter });
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

/** @param own headers that go to every origin. */
export async function followRedirects(
  first: URL,
  options: RequestOptions,
  own: Readonly<Record<string, string>> = {},
) {
  let url = first;
  let sent = options;
  // Only the server sends the commit: a store to which it redirects does not know it.
  let commit: string | undefined;
  for (let redirects = 0; ; redirects++) {
    const answer = await request(url, own, sent);
    if (url.origin === first.origin) commit = commitOf(answer) ?? commit;
    if (!isRedirect(answer)) return { name: nameOf(url), answer, commit };
    answer.destroy();
    const { statusCode: status } = answer;
    if (redirects === MAX_REDIRECTS) {
      throw new DownloadError(`${nameOf(first)} redirects too often`, { status });
    }
    const next = redirectTarget(url, answer.headers.location);
    if (next === undefined) {
      throw new DownloadError(`${nameOf(url)} redirects to no URL that is safe`, { status });
    }
    if (next.origin !== url.origin) sent = { ...sent, headers: {} };
    url = next;
  }
}

async function request(
  url: URL,
  own: Readonly<Record<string, string>>,
  options: RequestOptions,
): Promise<IncomingMessage> {
  const { signal } = options;
  const headers = { 'accept-encoding': 'identity', ...own, ...options.headers };
  const given = typeof options.agent === 'function' ? options.agent(url) : options.agent;
  const agent = given ?? false; // without an agent, the connection is closed with the answer
  const proxy = options.agent === undefined ? proxyFor(url) : undefined;
  const proxied = proxy && throughProxy(url, proxy, { headers, signal });
  const { get } = (proxied?.protocol ?? url.protocol) === 'https:' ? https : http;
  try {
    const answered = new Promise<IncomingMessage>((resolve, reject) => {
      const sent = get(url, { headers, signal, agent, ...proxied }, (answer) => {
        // Not of the socket: its listener would stay when an agent uses the connection again.
        sent.setTimeout(IDLE_TIMEOUT, () => answer.destroy(new Error('stalled')));
        // The reader of the body gets the error; without a listener it would end the process.
        answer.on('error', () => {});
        resolve(answer);
      }).on('error', reject);
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

function commitOf(answer: IncomingMessage): string | undefined {
  const names = ['snapshot-commit', 'x-cachew-snapshot-commit'];
  const values = names.map((name) => headerOf(answer, name, COMMIT));
  return values.find((value) => value !== undefined);
}

export function headerOf(
  { headers }: IncomingMessage,
  name: string,
  form: RegExp,
): string | undefined {
  const value = headers[name];
  return typeof value === 'string' && form.test(value) ? value : undefined;
}

/** For messages: queries may hold secrets. */
function nameOf(url: URL): string {
  return url.origin + url.pathname;
}
