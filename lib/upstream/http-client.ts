import type { ClientRequest, IncomingMessage } from 'node:http';
import type { LookupFunction } from 'node:net';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import type { GitHttpRequest, GitHttpResponse, HttpClient } from 'isomorphic-git';
import { hasCode, SnapshotError } from '../errors.js';
import { isRedirect, MAX_REDIRECTS } from '../read-http-answer.js';
import { upstreamConnector } from './connector.js';
import { decodeBody, discardBody, iterateBody } from './http-body.js';
import { answerFailure, networkFailure } from './http-failure.js';
import { redirectedBase } from './http-redirect.js';
import type { UpstreamTask } from './task.js';

/** The two requests of a fetch over smart HTTP (gitprotocol-http), relative to the repository. */
const ENDPOINTS = [
  { method: 'GET', path: '/info/refs?service=git-upload-pack', answers: 'advertisement' },
  { method: 'POST', path: '/git-upload-pack', answers: 'result' },
] as const;

/** The client sends only these headers of the transport. */
const FORWARDED_HEADERS = ['accept', 'content-type', 'git-protocol'];

export interface UpstreamClient extends HttpClient {
  /** Closes all connections; requests and bodies in progress fail with `ABORTED`. Idempotent. */
  close(): Promise<void>;
}

/**
 * The `http` plugin for isomorphic-git's transport, for one fetch of one repository. It makes
 * requests one after another, over one connection if the server keeps it open. A request discards
 * the unread rest of the previous answer. After a redirect of the ref advertisement, requests go to
 * the new base.
 *
 * A request or the iterator of a body rejects with the signal's reason, or a `SnapshotError`
 * `UPSTREAM_*` (see `http-failure.ts` and `connector.ts`), also if a connection ends before the
 * body does; with `LIMIT_EXCEEDED` if a ref advertisement has over `maxRefsBytes` when decoded.
 *
 * @param ends ends everything, with its reason. Nothing else limits how long an answer may take.
 */
export function createHttpClient(
  task: UpstreamTask,
  ends: AbortSignal,
  lookup?: LookupFunction,
): UpstreamClient {
  const { upstreamUrl, userAgent, limits } = task;
  const closing = new AbortController();
  const lifetime = AbortSignal.any([ends, closing.signal]);
  const connector = upstreamConnector(task, lifetime, lookup);
  let base = upstreamUrl;
  let { authorization } = task;
  let lastBody: Readable | undefined;

  async function exchange(asked: GitHttpRequest, signal: AbortSignal): Promise<GitHttpResponse> {
    const endpoint = ENDPOINTS.find(({ path }) => asked.url === upstreamUrl + path);
    if (endpoint === undefined) {
      throw new SnapshotError('INTERNAL', `not a request that git makes of ${upstreamUrl}`);
    }
    const { method, path, answers } = endpoint;
    const answerType = `application/x-git-upload-pack-${answers}`;
    // An unread body would keep the connection busy for ever.
    if (lastBody) discardBody(lastBody);
    // Collects the body, to send a Content-Length: many servers refuse chunked requests.
    const body = asked.body && (await buffer(Readable.from(asked.body)));

    for (let redirects = 0; ; redirects++) {
      // Node connects even for a request that is aborted already.
      signal.throwIfAborted();
      const url = new URL(base + path);
      const where = base === upstreamUrl ? base : `${upstreamUrl} (redirected to ${url.host})`;
      const failure = (error: unknown) =>
        signal.aborted ? signal.reason : networkFailure(error, where);

      const headers = {
        ...forwardedHeaders(asked.headers),
        'user-agent': userAgent,
        ...(authorization !== undefined && { authorization }),
      };
      // Joins duplicate headers, so that they do not pass for a valid one.
      const settings = { method, headers, signal, joinDuplicateHeaders: true };
      const send = () => connector.request(url, settings);
      const answer = await answerTo(send, body).catch((error: unknown) => {
        throw failure(error);
      });

      if (method === 'GET' && isRedirect(answer)) {
        discardBody(answer);
        if (redirects === MAX_REDIRECTS) {
          throw new SnapshotError('UPSTREAM_INVALID', `${where} redirects too often`);
        }
        base = redirectedBase(url, answer.headers.location, task.redirectBases);
        // No later redirect restores the credentials: a host on the way must not choose the
        // repository that is read with them.
        if (new URL(base).origin !== url.origin) authorization = undefined;
        continue;
      }

      const authorized = authorization !== undefined;
      const failed = answerFailure(answer, { answerType, authorized, where });
      if (failed) {
        discardBody(answer);
        throw failed;
      }
      lastBody = decodeBody(answer, answer.headers['content-encoding'], where);
      return {
        url: url.href,
        method,
        statusCode: 200,
        statusMessage: 'OK',
        headers: { 'content-type': answerType },
        body: iterateBody(lastBody, method === 'GET' ? limits.maxRefsBytes : Infinity, failure),
      };
    }
  }

  return {
    request(asked) {
      const signal = asked.signal ? AbortSignal.any([lifetime, asked.signal]) : lifetime;
      return exchange(asked, signal);
    },
    async close() {
      closing.abort(new SnapshotError('ABORTED', `the client of ${upstreamUrl} was closed`));
      connector.close();
    },
  };
}

/** Sends a request; once more, if the server just closed the idle connection: RFC 9112, 9.3.1. */
async function answerTo(
  send: () => ClientRequest,
  body: Buffer | undefined,
): Promise<IncomingMessage> {
  const request = send();
  try {
    return await answered(request, body);
  } catch (error) {
    if (!request.reusedSocket || !hasCode(error, 'ECONNRESET', 'EPIPE')) throw error;
    return await answered(send(), body);
  }
}

/** An error of the request's connection also ends the answer, even after the answer has begun. */
function answered(request: ClientRequest, body: Buffer | undefined): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    request.on('error', reject);
    request.once('response', (answer) => {
      // The reader of the answer gets the error. Without a reader it must not end the process.
      answer.on('error', () => {});
      // A body without Content-Length or chunks would seem to end where its connection is lost.
      request.on('error', (error) => answer.destroy(error));
      resolve(answer);
    });
    request.end(body);
  });
}

function forwardedHeaders(headers: Record<string, string> = {}): Record<string, string> {
  const isForwarded = (name: string) => FORWARDED_HEADERS.includes(name.toLowerCase());
  return Object.fromEntries(Object.entries(headers).filter(([name]) => isForwarded(name)));
}
