import type { GitHttpResponse, HttpClient } from 'isomorphic-git';
import { GitRemoteHTTP } from 'isomorphic-git/managers';
import { withDeadline } from '../async/deadline.js';
import { SnapshotError } from '../errors.js';
import { encodeHeadQuery, readCapabilities, readUnbornHead } from '../git/ls-refs.js';
import type { RefList } from '../git/ref-list.js';
import type { Head } from '../git/refs.js';
import {
  type Advertisement,
  DEFAULT_BRANCH,
  type OtherWants,
  readAdvertisement,
} from './advertisement.js';
import { limitBytes } from './http-body.js';
import type { UpstreamClient } from './http-client.js';
import type { UpstreamTask } from './task.js';

const PROTOCOL_V2 = { 'git-protocol': 'version=2' };

/** The upstream did not list its refs. The task has changed nothing yet. */
export class DiscoveryError extends SnapshotError {}

/**
 * Asks the upstream for its refs: one `info/refs`.
 *
 * @throws DiscoveryError `UPSTREAM_*`, `REPOSITORY_UNSUPPORTED`, `LIMIT_EXCEEDED`.
 */
export async function discover(
  task: UpstreamTask,
  upstream: UpstreamClient,
  wanted: OtherWants,
): Promise<Advertisement> {
  try {
    return await inTime(task, upstream, async (http) =>
      readAdvertisement(await requestRefs(task, http), wanted),
    );
  } catch (cause) {
    if (!SnapshotError.is(cause)) throw cause;
    const { code, message, retryAfter, limit } = cause;
    throw new DiscoveryError(code, message, { cause, retryAfter, limit });
  }
}

/**
 * Finds the branch of a HEAD that the upstream does not advertise, because the branch has no
 * commits: up to two more requests. Only protocol v2 names this branch. Without it, this takes
 * git's default branch, as git does; that branch may have commits.
 *
 * @throws SnapshotError `UPSTREAM_*`, `LIMIT_EXCEEDED`.
 */
export async function discoverUnbornHead(
  task: UpstreamTask,
  upstream: UpstreamClient,
  refs: RefList,
): Promise<Head> {
  const named = await inTime(task, upstream, async (http) => {
    const offered = await readCapabilities(await requestRefs(task, http, PROTOCOL_V2));
    const query = offered && encodeHeadQuery(task.userAgent, offered);
    if (query === undefined) return undefined;
    const answer = await connect(task, http, query, PROTOCOL_V2);
    return await readUnbornHead(limitBytes(answer, task.limits.maxRefsBytes));
  });
  const ref = named ?? DEFAULT_BRANCH;
  return { kind: 'branch', ref, oid: refs.find(ref)?.oid };
}

/** Limits the total time of all requests that `ask` makes to `refsTimeout`. */
async function inTime<T>(
  { timeouts: { refsTimeout } }: UpstreamTask,
  upstream: UpstreamClient,
  ask: (http: HttpClient) => Promise<T>,
): Promise<T> {
  const askUntil = (signal: AbortSignal) =>
    ask({ request: (asked) => upstream.request({ ...asked, signal }) });
  // The client has a signal of its own.
  const { signal } = new AbortController();
  return await withDeadline(refsTimeout, signal, askUntil, (cause) => {
    const message = `the upstream's refs took longer than ${refsTimeout} ms`;
    return new SnapshotError('UPSTREAM_TIMEOUT', message, { cause });
  });
}

async function requestRefs(
  { upstreamUrl }: UpstreamTask,
  http: HttpClient,
  headers: Record<string, string> = {},
): Promise<AsyncIterable<Uint8Array>> {
  const url = `${upstreamUrl}/info/refs?service=git-upload-pack`;
  return bodyOf(await http.request({ url, method: 'GET', headers }));
}

/** Sends a request to the upstream's `git-upload-pack`. @returns the body of the answer. */
export async function connect(
  { upstreamUrl }: UpstreamTask,
  http: HttpClient,
  body: Buffer,
  headers: Record<string, string> = {},
): Promise<AsyncIterable<Uint8Array>> {
  const service = 'git-upload-pack';
  const request = { http, service, url: upstreamUrl, auth: {}, headers, body: [body] };
  return bodyOf(await GitRemoteHTTP.connect(request));
}

function bodyOf({ body }: GitHttpResponse): AsyncIterable<Uint8Array> {
  if (body === undefined) throw new SnapshotError('UPSTREAM_INVALID', 'an empty answer');
  return body;
}
