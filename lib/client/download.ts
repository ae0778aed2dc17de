import http, { type IncomingMessage } from 'node:http';
import https from 'node:https';
import { json } from 'node:stream/consumers';
import { hasCode, SnapshotError } from '../errors.js';
import { isRedirect, MAX_REDIRECTS, parseRetryAfter, redirectTarget } from '../read-http-answer.js';
import { limitBytes } from '../upstream/http-body.js';

/** Milliseconds without a byte of the body. */
const STALL_TIMEOUT = 5 * 60_000;
/** The most bytes to read of an error's body. */
const MAX_PROBLEM_BYTES = 64 * 1024;
const COMMIT = /^(?:[0-9a-f]{40}|[0-9a-f]{64})$/;

type Headers = Readonly<Record<string, string>>;

export interface Download {
  /** The commit of HEAD, if the server names it. */
  readonly commit: string | undefined;
  /** Bytes, if the server knows the size already. */
  readonly totalBytes: number | undefined;
  /** Rejects with `DOWNLOAD_FAILED` when the connection ends before the body. */
  readonly chunks: AsyncIterable<Uint8Array>;
  /** Closes the connection. Idempotent. */
  close(): void;
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
 * @throws SnapshotError `DOWNLOAD_FAILED`, with `retryAfter` if the server sent it;
 * `INVALID_OPTIONS` for headers that HTTP does not allow.
 */
export async function startDownload(
  first: URL,
  headers: Headers,
  signal: AbortSignal | undefined,
): Promise<Download> {
  const { url, answer, commit } = await followRedirects(first, headers, signal);
  if (answer.statusCode !== 200) {
    const failure = await answerFailure(answer, nameOf(url));
    answer.destroy();
    throw failure;
  }
  const length = headerOf(answer, 'content-length', /^\d{1,15}$/);
  return {
    commit,
    totalBytes: length === undefined ? undefined : Number(length),
    chunks: readBody(answer, nameOf(url)),
    close: () => void answer.destroy(),
  };
}

async function answerFailure(answer: IncomingMessage, where: string): Promise<SnapshotError> {
  const code = await problemCode(answer);
  const detail = code === undefined ? '' : ` (${code})`;
  const retryAfter = parseRetryAfter(answer.headers['retry-after']);
  const message = `${where} answered ${answer.statusCode}${detail}`;
  return new SnapshotError('DOWNLOAD_FAILED', message, { retryAfter });
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

async function followRedirects(first: URL, headers: Headers, signal: AbortSignal | undefined) {
  let url = first;
  let sent = headers;
  // Only the server sends the commit: a store to which it redirects does not know it.
  let commit: string | undefined;
  for (let redirects = 0; redirects <= MAX_REDIRECTS; redirects++) {
    const answer = await request(url, sent, signal);
    if (url.origin === first.origin) {
      commit = headerOf(answer, 'x-cachew-snapshot-commit', COMMIT) ?? commit;
    }
    if (!isRedirect(answer)) return { url, answer, commit };
    answer.destroy();
    const next = redirectTarget(url, answer.headers.location);
    if (next === undefined) {
      throw new SnapshotError('DOWNLOAD_FAILED', `${nameOf(url)} redirects to no URL that is safe`);
    }
    if (next.origin !== url.origin) sent = {};
    url = next;
  }
  throw new SnapshotError('DOWNLOAD_FAILED', `${nameOf(first)} redirects too often`);
}

async function request(
  url: URL,
  headers: Headers,
  signal: AbortSignal | undefined,
): Promise<IncomingMessage> {
  const { get } = url.protocol === 'https:' ? https : http;
  // Without an agent, the connection is closed with the answer.
  const options = { headers: { 'accept-encoding': 'identity', ...headers }, signal, agent: false };
  try {
    return await new Promise<IncomingMessage>((resolve, reject) => {
      get(url, options, (answer) => {
        answer.setTimeout(STALL_TIMEOUT, () => answer.destroy(new Error('stalled')));
        // The reader of the body gets the error; without a listener it would end the process.
        answer.on('error', () => {});
        resolve(answer);
      }).on('error', reject);
    });
  } catch (error) {
    if (hasCode(error, 'ERR_INVALID_HTTP_TOKEN', 'ERR_INVALID_CHAR')) {
      throw new SnapshotError('INVALID_OPTIONS', error.message, { cause: error });
    }
    const reason = hasCode(error) ? error.code : String(error);
    throw new SnapshotError('DOWNLOAD_FAILED', `${nameOf(url)}: ${reason}`, { cause: error });
  }
}

/** Node's parser checks that a body has all bytes of its Content-Length, or its last chunk. */
async function* readBody(
  body: AsyncIterable<Uint8Array>,
  from: string,
): AsyncGenerator<Uint8Array> {
  let received = 0;
  try {
    for await (const chunk of body) {
      received += chunk.length;
      yield chunk;
    }
  } catch (cause) {
    const message = `${from} broke off after ${received} bytes`;
    throw new SnapshotError('DOWNLOAD_FAILED', message, { cause });
  }
}

function headerOf({ headers }: IncomingMessage, name: string, form: RegExp): string | undefined {
  const value = headers[name];
  return typeof value === 'string' && form.test(value) ? value : undefined;
}

/** For messages: queries may hold secrets. */
function nameOf(url: URL): string {
  return url.origin + url.pathname;
}
