import { buffer } from 'node:stream/consumers';
import { withDeadline } from '../abort.js';
import { SnapshotError } from '../errors.js';
import { encodeHeadQuery, encodeRefsQuery, readRefs, readUnbornHead } from '../git/ls-refs.js';
import type { Head } from '../git/refs.js';
import { type Advertisement, DEFAULT_BRANCH, parseAdvertisement } from './advertisement.js';
import type { UpstreamClient } from './http-client.js';
import type { UpstreamTask } from './task.js';

/** The upstream did not say what it has: nothing was begun yet. */
export class DiscoveryError extends SnapshotError {}

/**
 * What the upstream has: one `info/refs`.
 *
 * @throws DiscoveryError `UPSTREAM_*`, `REPOSITORY_UNSUPPORTED`, `LIMIT_EXCEEDED`.
 */
export async function discover(
  task: UpstreamTask,
  upstream: UpstreamClient,
): Promise<Advertisement> {
  const { refsTimeout } = task.limits;
  const ask = (signal: AbortSignal) => askForRefs(task, upstream, signal);
  // The client has a signal of its own.
  const { signal } = new AbortController();
  try {
    return await withDeadline(refsTimeout, signal, ask, (cause) => {
      const message = `the upstream's refs took longer than ${refsTimeout} ms`;
      return new SnapshotError('UPSTREAM_TIMEOUT', message, { cause });
    });
  } catch (cause) {
    if (!(cause instanceof SnapshotError)) throw cause;
    const { code, message, retryAfter } = cause;
    const wait = retryAfter === undefined ? {} : { retryAfter };
    throw new DiscoveryError(code, message, { cause, ...wait });
  }
}

async function askForRefs(
  { upstreamUrl }: UpstreamTask,
  http: UpstreamClient,
  signal: AbortSignal,
): Promise<Advertisement> {
  const url = `${upstreamUrl}/info/refs?service=git-upload-pack`;
  const { body } = await http.request({ url, method: 'GET', headers: {}, signal });
  return parseAdvertisement(body === undefined ? Buffer.alloc(0) : await buffer(body));
}

/** HEAD of an upstream that did not advertise it, because its branch has no commits: one more request. */
export async function discoverUnbornHead(task: UpstreamTask, http: UpstreamClient): Promise<Head> {
  const query = encodeHeadQuery(task.userAgent);
  const ref = await readUnbornHead(
    await connect(task, http, query, { 'git-protocol': 'version=2' }),
  );
  // Upstreams that know no unborn HEAD leave it open which branch that is.
  return { kind: 'branch', ref: ref ?? DEFAULT_BRANCH, oid: undefined };
}

/**
 * What refs that mirrors don't hold are at, such as those of pull requests: one request more.
 *
 * @param names full names.
 * @returns full name → id; without those that are not there, and empty when the upstream has no protocol v2.
 */
export async function discoverRefs(
  task: UpstreamTask,
  http: UpstreamClient,
  names: readonly string[],
): Promise<ReadonlyMap<string, string>> {
  const query = encodeRefsQuery(task.userAgent, names);
  return await readRefs(await connect(task, http, query, { 'git-protocol': 'version=2' }), names);
}

/** Sends a request to the upstream's `git-upload-pack`. @returns the answer's body. */
export async function connect(
  task: UpstreamTask,
  http: UpstreamClient,
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
