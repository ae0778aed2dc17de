import { buffer } from 'node:stream/consumers';
import { unlessAborted } from '../async/abort.js';
import { limitBytes } from '../upstream/http-body.js';
import { ensureRefsUrl, parseUrl } from './artifact-urls.js';
import { DownloadError } from './download-error.js';
import type { EnsuredRefs, EnsureRefsOptions } from './options.js';
import { type Answer, failedAnswer, sendRequest } from './request.js';
import { parseRetryTimeout, withRetries } from './retries.js';
import { withFailures } from './with-failures.js';

/** More than the longest answer to 1,000 names takes. */
const MAX_ANSWER_BYTES = 8 * 1024 * 1024;

/**
 * Makes the server's mirror hold refs and commits that are about to be needed. The server checks the
 * upstream only if the mirror lacks one of them.
 *
 * @throws SnapshotError
 * - `INVALID_OPTIONS`: the URL, a header or the agent can't be used
 * - `DOWNLOAD_FAILED`, always as a `DownloadError`: as `restoreSnapshot`. A status of 400 says that
 *   there are no refs and commits, or over 1,000, or an id of another form
 * @throws the reason of `signal`, itself, once that has aborted
 */
export async function ensureRefs(options: EnsureRefsOptions): Promise<EnsuredRefs> {
  const { refs = {}, commits = [], signal } = options;
  return await withFailures(signal, async () => {
    const url = ensureRefsUrl(parseUrl(options.url));
    const timeout = parseRetryTimeout(options.retryTimeout);
    signal?.throwIfAborted();
    const wanted = refs instanceof Map ? Object.fromEntries(refs) : refs;
    const body = Buffer.from(JSON.stringify({ refs: wanted, commits }));
    const headers = { 'content-type': 'application/json', 'content-length': String(body.length) };
    return await withRetries(timeout, signal, async () => {
      const answer = await sendRequest(url, { method: 'POST', headers, body }, options);
      if (answer.status !== 200) throw await failedAnswer(answer);
      return await readAnswer(answer, signal);
    });
  });
}

async function readAnswer(
  { message, name, status }: Answer,
  signal: AbortSignal | undefined,
): Promise<EnsuredRefs> {
  try {
    const bytes = await unlessAborted(buffer(limitBytes(message, MAX_ANSWER_BYTES)), signal);
    return parseAnswer(JSON.parse(bytes.toString()));
  } catch (cause) {
    if (signal?.aborted) throw cause;
    throw new DownloadError(`${name} sent no complete answer`, { status, cause });
  } finally {
    message.destroy();
  }
}

/** The server leaves out what is empty. @throws TypeError for an answer of another form. */
function parseAnswer(answer: unknown): EnsuredRefs {
  const { refs = {}, missing_commits: missing = [], fetched } = Object(answer);
  const entries: [string, unknown][] = Object.entries(Object(refs));
  const isText = (value: unknown): value is string => typeof value === 'string';
  const found = new Map<string, string>();
  for (const [name, oid] of entries) {
    if (!isText(oid)) throw new TypeError(`${name} has no id`);
    found.set(name, oid);
  }
  if (!Array.isArray(missing) || !missing.every(isText) || typeof fetched !== 'boolean') {
    throw new TypeError('the answer has another form');
  }
  return { refs: found, missingCommits: missing, fetched };
}
