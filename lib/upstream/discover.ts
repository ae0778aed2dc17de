import type { HttpClient } from 'isomorphic-git';
import { withDeadline } from '../async/deadline.js';
import { SnapshotError } from '../errors.js';
import { encodeHeadQuery, readCapabilities, readUnbornHead } from '../git/ls-refs.js';
import type { RefList } from '../git/ref-list.js';
import type { Head } from '../git/refs.js';
import { type Advertisement, DEFAULT_BRANCH, readAdvertisement } from './advertisement.js';
import { limitBytes } from './http-body.js';
import type { UpstreamClient } from './http-client.js';
import type { UpstreamTask } from './task.js';

const PROTOCOL_V2 = { 'git-protocol': 'version=2' };

/** The upstream did not say what it has: nothing was begun yet. */
export class DiscoveryError extends SnapshotError {}

/**
 * What the upstream has: one `info/refs`.
 *
 * @param wanted full names of refs that mirrors don't hold, as bytes. Default: none.
 * @throws DiscoveryError `UPSTREAM_*`, `REPOSITORY_UNSUPPORTED`, `LIMIT_EXCEEDED`.
 */
export async function discover(
  task: UpstreamTask,
  upstream: UpstreamClient,
  wanted: ReadonlySet<string> = new Set(),
): Promise<Advertisement> {
  try {
    return await inTime(task, upstream, (http) => askForRefs(task, http, wanted));
  } catch (cause) {
    if (!(cause instanceof SnapshotError)) throw cause;
    const { code, message, retryAfter } = cause;
    const wait = retryAfter === undefined ? {} : { retryAfter };
    throw new DiscoveryError(code, message, { cause, ...wait });
  }
}

async function askForRefs(
  { upstreamUrl }: UpstreamTask,
  http: HttpClient,
  wanted: ReadonlySet<string>,
): Promise<Advertisement> {
  const { body } = await http.request({ ...infoRefs(upstreamUrl), headers: {} });
  if (body === undefined) throw new SnapshotError('UPSTREAM_INVALID', 'an empty answer');
  return await readAdvertisement(body, wanted);
}

/**
 * HEAD of an upstream that did not advertise it, because its branch has no commits: up to two requests more.
 * Which branch that is only protocol v2 tells; of others git takes the default, which may have commits.
 *
 * @param refs what was advertised.
 * @throws SnapshotError `UPSTREAM_*`, `LIMIT_EXCEEDED`.
 */
export async function discoverUnbornHead(
  task: UpstreamTask,
  upstream: UpstreamClient,
  refs: RefList,
): Promise<Head> {
  const named = await inTime(task, upstream, (http) => askForUnbornHead(task, http));
  const ref = named ?? DEFAULT_BRANCH;
  return { kind: 'branch', ref, oid: refs.find(ref)?.oid };
}

async function askForUnbornHead(task: UpstreamTask, http: HttpClient): Promise<string | undefined> {
  const offered = await discoverCapabilities(task, http);
  const query = offered && encodeHeadQuery(task.userAgent, offered);
  if (query === undefined) return undefined;
  const answer = await connect(task, http, query, PROTOCOL_V2);
  return await readUnbornHead(limitBytes(answer, task.limits.maxRefsBytes));
}

/** Ends questions about refs when they take longer than `refsTimeout` together. */
async function inTime<T>(
  { limits: { refsTimeout } }: UpstreamTask,
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

/** What the upstream offers by protocol v2; `undefined` when it does not speak that. */
async function discoverCapabilities(
  { upstreamUrl }: UpstreamTask,
  http: HttpClient,
): Promise<ReadonlySet<string> | undefined> {
  const { body } = await http.request({ ...infoRefs(upstreamUrl), headers: PROTOCOL_V2 });
  return body && (await readCapabilities(body));
}

function infoRefs(upstreamUrl: string) {
  return { url: `${upstreamUrl}/info/refs?service=git-upload-pack`, method: 'GET' };
}

/** Sends a request to the upstream's `git-upload-pack`. @returns the answer's body. */
export async function connect(
  task: UpstreamTask,
  http: HttpClient,
  body: Buffer,
  headers: Record<string, string>,
): Promise<AsyncIterable<Uint8Array>> {
  // Loaded here, because a thread that only asks for refs starts faster without it.
  const { GitRemoteHTTP } = await import('isomorphic-git/managers');
  const answer = await GitRemoteHTTP.connect({
    http,
    service: 'git-upload-pack',
    url: task.upstreamUrl,
    auth: {},
    headers,
    body: [body],
  });
  if (answer.body === undefined) throw new SnapshotError('UPSTREAM_INVALID', 'an empty answer');
  return answer.body;
}
