import { GitRemoteHTTP } from 'isomorphic-git/managers';
import { SnapshotError } from '../errors.js';
import { parseCommit } from '../git/commit.js';
import { encodeHeadQuery, readUnbornHead } from '../git/ls-refs.js';
import { ObjectType } from '../git/object.js';
import type { Head, Ref } from '../git/refs.js';
import { parseTagTarget } from '../git/tag.js';
import { encodeCloneRequest, readCloneAnswer } from '../git/upload-pack.js';
import type { Limits } from '../options.js';
import { type IngestedPack, type IngestProgress, ingestPack } from '../pack/ingest.js';
import type { ObjectMemory } from '../pack/object-memory.js';
import { ObjectReader } from '../pack/reader.js';
import type { ResolverPool } from '../pack/resolver-pool.js';
import type { RepositoryId } from '../repository/identity.js';
import { type Advertisement, DEFAULT_BRANCH, readAdvertisement } from './advertisement.js';
import { createHttpClient, type UpstreamClient } from './http-client.js';
import { createMirrorDirectories, packDirectory, writeMirror } from './layout.js';
import { failWhenStalled } from './stall.js';
import type { AllowedHosts } from './upstream-connector.js';
import { AdvertisementClient } from './whole-advertisement.js';

/** A clone to be made; structured-cloneable. */
export interface CloneTask {
  readonly repository: RepositoryId;
  /** An empty directory that becomes the mirror; the caller's to remove when the clone fails. */
  readonly directory: string;
  readonly upstreamUrl: string;
  readonly hosts: AllowedHosts;
  /** The `Authorization` header. */
  readonly authorization: string | undefined;
  readonly userAgent: string;
  readonly limits: Limits;
}

export type CloneProgress =
  | ({ readonly kind: 'pack' } & IngestProgress)
  /** The upstream's own words, such as "Counting objects: 12% (3/25)"; some of them, if many. */
  | { readonly kind: 'message'; readonly text: string };

/** Milliseconds between messages: an upstream that talks on and on must not keep the host busy. */
const MESSAGE_INTERVAL = 100;

export interface CloneResult {
  readonly packs: readonly IngestedPack[];
}

/**
 * Clones a repository into a bare mirror: one `info/refs`, one `upload-pack`. Every object is hashed
 * and every ref checked before the refs are written. Runs in a worker thread.
 *
 * @param threads to be used and kept for the next clone.
 * @param signal closes all connections; what is computed at the time goes on.
 * @throws SnapshotError `UPSTREAM_*`, `REPOSITORY_UNSUPPORTED`, `LIMIT_EXCEEDED`, `STORAGE_FULL`.
 */
export async function cloneMirror(
  task: CloneTask,
  onProgress: (progress: CloneProgress) => void,
  threads: ResolverPool,
  signal: AbortSignal,
): Promise<CloneResult> {
  const { repository, directory, upstreamUrl, limits } = task;
  const http = createHttpClient({ ...task, ...limits, signal });
  try {
    const remote = await discover(task, http);
    await createMirrorDirectories(directory);
    const packs =
      remote.refs.size === 0 && remote.head === undefined
        ? []
        : [await fetchPack(task, http, remote, onProgress, threads)];
    const head = remote.head ?? (await unbornHead(task, http));
    const refs = await threads.withMemory(limits.deltaCacheBytes, async (memory) =>
      verifyRefs(directory, packs, head, remote.refs, limits, memory),
    );
    const names = packs.map(({ name }) => name);
    writeMirror(directory, { repository, upstreamUrl, head, refs, packs: names });
    return { packs };
  } finally {
    await http.close();
  }
}

async function discover(task: CloneTask, upstream: UpstreamClient): Promise<Advertisement> {
  const http = new AdvertisementClient(upstream);
  try {
    const remote: unknown = await GitRemoteHTTP.discover({
      http,
      service: 'git-upload-pack',
      url: task.upstreamUrl,
      headers: {},
      protocolVersion: 1,
    });
    if (http.failure !== undefined) throw http.failure;
    return readAdvertisement(remote);
  } catch (error) {
    const cause = http.failure ?? error;
    if (cause instanceof SnapshotError) throw cause;
    // What isomorphic-git throws here is its own reading of a malformed advertisement.
    throw new SnapshotError('UPSTREAM_INVALID', 'the upstream did not answer with refs', { cause });
  }
}

async function fetchPack(
  task: CloneTask,
  http: UpstreamClient,
  remote: Advertisement,
  onProgress: (progress: CloneProgress) => void,
  threads: ResolverPool,
): Promise<IngestedPack> {
  const wants = new Set(remote.refs.values());
  if (remote.head?.oid !== undefined) wants.add(remote.head.oid);
  const body = encodeCloneRequest([...wants], remote.capabilities, task.userAgent);
  const answer = await connect(task, http, body, {});
  let toldAt = Number.NEGATIVE_INFINITY;
  const pack = readCloneAnswer(answer, (text) => {
    if (performance.now() - toldAt < MESSAGE_INTERVAL) return;
    toldAt = performance.now();
    onProgress({ kind: 'message', text });
  });
  const arriving = failWhenStalled(pack, task.limits.stallTimeout);
  return await ingestPack(arriving, packDirectory(task.directory), task.limits, {
    threads,
    onProgress: (progress) => onProgress({ kind: 'pack', ...progress }),
  });
}

/** Upstreams that know no unborn HEAD leave it open which branch that is. */
async function unbornHead(task: CloneTask, http: UpstreamClient): Promise<Head> {
  const query = encodeHeadQuery(task.userAgent);
  const ref = await readUnbornHead(
    await connect(task, http, query, { 'git-protocol': 'version=2' }),
  );
  return { kind: 'branch', ref: ref ?? DEFAULT_BRANCH, oid: undefined };
}

async function connect(
  task: CloneTask,
  http: UpstreamClient,
  body: Buffer,
  headers: Record<string, string>,
): Promise<AsyncIterable<Uint8Array>> {
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

/** Checks that every ref names an object that arrived, and finds what annotated tags name. */
function verifyRefs(
  directory: string,
  packs: readonly IngestedPack[],
  head: Head,
  advertised: ReadonlyMap<string, string>,
  limits: Limits,
  memory: ObjectMemory,
): Ref[] {
  const names = packs.map(({ name }) => name);
  const reader = new ObjectReader(packDirectory(directory), names, limits, memory);
  try {
    if (head.oid !== undefined) {
      const commit = reader.read(head.oid);
      if (commit.type !== ObjectType.commit) {
        throw new SnapshotError('UPSTREAM_INVALID', 'HEAD is not at a commit');
      }
      reader.read(parseCommit(commit.data).tree);
    }
    const known = new Map<string, string>();
    return [...advertised].map(([name, oid]) => ({ name, oid, peeled: peel(reader, oid, known) }));
  } finally {
    reader.close();
  }
}

/**
 * What a chain of annotated tags finally names; `undefined` for an object that is no tag.
 *
 * @param known what tags name that were seen before, so that no chain is followed twice.
 */
function peel(reader: ObjectReader, oid: string, known: Map<string, string>): string | undefined {
  const chain: string[] = [];
  let target = oid;
  while (!known.has(target) && reader.typeOf(target) === ObjectType.tag) {
    chain.push(target);
    target = parseTagTarget(reader.read(target).data);
  }
  const peeled = known.get(target) ?? target;
  for (const tag of chain) known.set(tag, peeled);
  return known.get(oid);
}
