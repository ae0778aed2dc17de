import { join } from 'node:path';
import type { Head, Ref } from '../../git/refs.js';
import { isNotOurRef } from '../../git/upload-pack.js';
import { reachableObjects } from '../../history/reachable-objects.js';
import { reachesAll } from '../../history/reaches-all.js';
import type { IngestedPack } from '../../pack/ingest.js';
import { ObjectReader, withReader } from '../../pack/reader.js';
import type { Advertisement } from '../../upstream/advertisement.js';
import { discover, discoverUnbornHead } from '../../upstream/discover.js';
import { fetchPack } from '../../upstream/fetch-pack.js';
import { createHttpClient, type UpstreamClient } from '../../upstream/http-client.js';
import type { UpstreamTask } from '../../upstream/task.js';
import { packPaths } from '../disk/layout.js';
import { digestRefs, readRefs, writeRefs } from '../disk/refs-file.js';
import { type MirrorRevision, packsOf } from '../disk/revision.js';
import { chooseHaves, MAX_HAVES } from './haves.js';
import type { JobContext } from './job-context.js';
import { verifyRefs } from './verify-refs.js';

export interface FetchTask extends UpstreamTask {
  readonly kind: 'fetch';
  /** Directory of the mirror. */
  readonly mirror: string;
  readonly revision: MirrorRevision;
  /** An empty directory for new packs and refs. */
  readonly incoming: string;
  /** A commit to fetch by id if no ref leads to it. */
  readonly commit?: string | undefined;
  /** Full names, as bytes, of refs that mirrors do not hold. The result has their ids. */
  readonly otherRefs: readonly string[];
}

/** Content for the next revision. New packs, and refs that have changed, are in `incoming`. */
export interface FetchResult {
  readonly kind: 'fetch';
  readonly head: Head;
  readonly digest: string;
  /** How many refs there are. */
  readonly refCount: number;
  /** Whether the change of refs made objects unreachable. */
  readonly leavesGarbage: boolean;
  /** Packs for the refs: none when the mirror has all objects. */
  readonly packs: readonly IngestedPack[];
  /** Packs for the commit: none when the mirror has it, or the upstream does not send it. */
  readonly pinnedPacks: readonly IngestedPack[];
  /** Whether the commit was fetched by its id. */
  readonly isPinned: boolean;
  /** Whether the mirror has the commit. */
  readonly hasCommit: boolean;
  /** Full name → id, for those of the task's `otherRefs` that exist. */
  readonly otherRefs: ReadonlyMap<string, string>;
}

/** Commits to visit at most, in order to find out whether the old tips are still reachable. */
const MAX_COMMITS = 20_000;

/** Capabilities of an upstream that lets clients ask for objects that it does not advertise. */
const UNADVERTISED_WANTS = [
  'allow-tip-sha1-in-want',
  'allow-reachable-sha1-in-want',
  'allow-any-sha1-in-want',
];

/**
 * Fetches the objects that a mirror lacks: one `info/refs`, one `upload-pack` if refs moved to
 * objects that are missing, and another one for a commit by its id. Before it writes the refs, it
 * hashes every object and checks that the objects between old and new refs are complete. Runs in a
 * worker thread.
 *
 * @throws SnapshotError as `cloneMirror`.
 */
export async function fetchIntoMirror(task: FetchTask, context: JobContext): Promise<FetchResult> {
  const http = createHttpClient({ ...task, ...task.limits, signal: context.signal });
  try {
    const remote = await discover(task, http, new Set(task.otherRefs));
    const refs = await fetchRefs(task, context, http, remote);
    const commit = await fetchCommit(task, context, http, remote, refs.packs);
    const { otherRefs } = remote;
    return { kind: 'fetch', refCount: remote.refs.length, ...refs, ...commit, otherRefs };
  } finally {
    await http.close();
  }
}

async function fetchRefs(
  task: FetchTask,
  context: JobContext,
  http: UpstreamClient,
  remote: Advertisement,
): Promise<Pick<FetchResult, 'head' | 'digest' | 'leavesGarbage' | 'packs'>> {
  const { mirror, revision } = task;
  const { head: oldHead, digest: oldDigest } = revision;
  // HEAD is not advertised while its branch has no commits. Then its name takes one more request,
  // which is not needed while all refs are unchanged.
  const isUnborn = remote.head === undefined;
  if (isUnborn && oldHead.oid === undefined && digestRefs(oldHead, remote.refs) === oldDigest) {
    return { head: oldHead, digest: oldDigest, leavesGarbage: false, packs: [] };
  }
  const head = remote.head ?? (await discoverUnbornHead(task, http, remote.refs));
  const digest = digestRefs(head, remote.refs);
  if (digest === oldDigest) return { head, digest, leavesGarbage: false, packs: [] };

  const known = readRefs(mirror, revision);
  const before = () => all(idOf(oldHead), known.oids());
  const now = () => all(idOf(head), remote.refs.oids());
  // Includes objects that are in packs already: if no ref led to them, their own links are
  // unchecked.
  const moved = without(all(idOf(head), oidsOf(remote.refs.notIn(known))), before());
  const gone = without(all(idOf(oldHead), oidsOf(known.notIn(remote.refs))), now());
  const within = { limits: task.limits, memory: context.memory };
  const there = packPaths(mirror, revision.packs);
  const { wants, haves } = await withReader(there, within, (reader) => ({
    wants: [...moved].filter((oid) => !reader.has(oid)),
    haves: chooseHaves(reader, oldHead, known, remote.refs),
  }));
  const packs = wants.length === 0 ? [] : [await fetch(task, context, http, remote, wants, haves)];
  return await withReader(packsWith(task, revision.packs, packs), within, (reader) => {
    const refs = verifyRefs(reader, head, remote.refs, known);
    const { signal } = context;
    reachableObjects(reader, { include: moved, exclude: before(), signal });
    // Nearly always the moved refs still lead to the old tips; otherwise any other ref may.
    const leavesGarbage = ![moved, now()].some(
      (tips) => reachesAll(reader, tips, gone, MAX_COMMITS, signal) === true,
    );
    writeRefs(task.incoming, digest, refs);
    return { head, digest, leavesGarbage, packs };
  });
}

function idOf({ oid }: Head): string[] {
  return oid === undefined ? [] : [oid];
}

function* all(...lists: Iterable<string>[]): Generator<string> {
  for (const list of lists) yield* list;
}

function* oidsOf(refs: Iterable<Ref>): Generator<string> {
  for (const { oid } of refs) yield oid;
}

/** The set of `oids` without `others`. There may be far more others, so these are not collected. */
function without(oids: Iterable<string>, others: Iterable<string>): Set<string> {
  const left = new Set(oids);
  for (const other of others) {
    if (left.size === 0) break;
    left.delete(other);
  }
  return left;
}

/** Fetches the task's commit by its id, if the mirror lacks it and the upstream allows it. */
async function fetchCommit(
  task: FetchTask,
  context: JobContext,
  http: UpstreamClient,
  remote: Advertisement,
  newPacks: readonly IngestedPack[],
): Promise<Pick<FetchResult, 'hasCommit' | 'isPinned' | 'pinnedPacks'>> {
  const { commit, revision } = task;
  const { pinned } = revision;
  const nothing = { hasCommit: false, isPinned: false, pinnedPacks: [] };
  if (commit === undefined) return nothing;
  // The commit may be pinned, or lead to pinned commits.
  const paths = packsWith(task, packsOf(revision), newPacks);
  const within = { limits: task.limits, memory: context.memory };
  const isThere = await withReader(paths, within, (reader) => reader.isCommit(commit));
  if (isThere !== undefined) return { ...nothing, hasCommit: isThere };
  if (!UNADVERTISED_WANTS.some((name) => remote.capabilities.has(name))) return nothing;
  const haves = new Set<string>();
  for (const oid of remote.refs.oids()) {
    if (haves.size === MAX_HAVES) break;
    haves.add(oid);
  }
  let pack: IngestedPack;
  try {
    pack = await fetch(task, context, http, remote, [commit], [...haves]);
  } catch (error) {
    if (isNotOurRef(error)) return nothing;
    throw error;
  }
  return await withReader([...paths, join(task.incoming, pack.name)], within, (reader) => {
    if (reader.isCommit(commit) !== true) return nothing;
    const exclude = all(remote.refs.oids(), pinned.commits);
    reachableObjects(reader, { include: [commit], exclude, signal: context.signal });
    return { hasCommit: true, isPinned: true, pinnedPacks: [pack] };
  });
}

async function fetch(
  task: FetchTask,
  { onProgress, threads, memory }: JobContext,
  http: UpstreamClient,
  { capabilities }: Advertisement,
  wants: readonly string[],
  haves: readonly string[],
): Promise<IngestedPack> {
  const { mirror, revision, incoming, limits } = task;
  // Opened only if a delta has its base in the mirror: the upstream is not asked for such deltas.
  let opened: ObjectReader | undefined;
  const bases = {
    has: (oid: string) => reader().locate(oid) !== undefined,
    read: (oid: string) => reader().read(oid),
  };
  const reader = () => {
    opened ??= new ObjectReader(packPaths(mirror, revision.packs), limits, memory);
    return opened;
  };
  try {
    const request = { wants, haves, capabilities };
    return await fetchPack(task, http, request, incoming, onProgress, { threads, bases });
  } finally {
    opened?.close();
  }
}

/** Paths of packs in the mirror and of packs that have just arrived. */
function packsWith(
  { mirror, incoming }: FetchTask,
  names: readonly string[],
  arrived: readonly IngestedPack[],
): string[] {
  return [...packPaths(mirror, names), ...arrived.map(({ name }) => join(incoming, name))];
}
