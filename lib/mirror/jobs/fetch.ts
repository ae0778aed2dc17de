import { join } from 'node:path';
import type { Head, Ref } from '../../git/refs.js';
import { isNotOurRef } from '../../git/upload-pack.js';
import { reachableObjects } from '../../history/reachable-objects.js';
import { reachesAll } from '../../history/reaches-all.js';
import type { IngestedPack } from '../../pack/ingest.js';
import type { ObjectMemory } from '../../pack/object-memory.js';
import { ObjectReader, withReader } from '../../pack/reader.js';
import type { UpstreamTask } from '../../upstream/task.js';
import { packPaths } from '../disk/layout.js';
import { digestRefs, readRefs, tipsOf, writeRefs } from '../disk/refs-file.js';
import { type MirrorTask, packsOf } from '../disk/revision.js';
import { chooseHaves, MAX_HAVES } from './haves.js';
import type { JobContext } from './job-context.js';
import { type Upstream, type UpstreamState, withUpstream } from './upstream.js';
import { verifyRefs } from './verify-refs.js';

export interface FetchTask extends UpstreamTask, MirrorTask {
  readonly kind: 'fetch';
  /** An empty directory for new packs and refs. */
  readonly incoming: string;
  /** A commit to fetch by id if no ref leads to it. */
  readonly commit?: string | undefined;
  /** Full names, as bytes, of refs that mirrors do not hold. The result has their ids. */
  readonly otherRefs: readonly string[];
}

/** Content for the next revision. New packs, and refs that have changed, are in `incoming`. */
export interface FetchResult extends UpstreamState {
  readonly kind: 'fetch';
  /** Whether the change of refs made objects unreachable. */
  readonly leavesGarbage: boolean;
  /** Packs for the refs. */
  readonly packs: readonly IngestedPack[];
  /** Packs for the commit. */
  readonly pinnedPacks: readonly IngestedPack[];
  /** Whether the commit was fetched by its id. */
  readonly isPinned: boolean;
  readonly hasCommit: boolean;
  /** Full name → id, for the refs of the task's `otherRefs` that exist. */
  readonly otherRefs: ReadonlyMap<string, string>;
}

/** Commits to visit, at most, in search of the old tips. */
const MAX_COMMITS = 20_000;

/** Capabilities of an upstream that sends objects which it does not advertise. */
const UNADVERTISED_WANTS = /^allow-(?:tip|reachable|any)-sha1-in-want$/;

/**
 * Fetches the objects that a mirror lacks: one `info/refs`, one `upload-pack` if refs moved to
 * objects that are missing, and another one for a commit by its id. Before it writes the refs, it
 * hashes every object and checks that the objects between old and new refs are complete.
 *
 * @throws SnapshotError as `cloneMirror`.
 */
export async function fetchIntoMirror(task: FetchTask, context: JobContext): Promise<FetchResult> {
  return await withUpstream(task, context, async (upstream) => {
    const fetched = await fetchRefs(task, context, upstream);
    const commit = await fetchCommit(task, context, upstream, fetched.packs);
    const { refs, otherRefs } = upstream;
    return { kind: 'fetch', refCount: refs.length, ...fetched, ...commit, otherRefs };
  });
}

async function fetchRefs(
  task: FetchTask,
  { memory, signal }: JobContext,
  upstream: Upstream,
): Promise<Pick<FetchResult, 'head' | 'digest' | 'leavesGarbage' | 'packs'>> {
  const { mirror, revision, incoming, limits } = task;
  const { head: oldHead, digest: oldDigest } = revision;
  const unchanged = { head: oldHead, digest: oldDigest, leavesGarbage: false, packs: [] };
  // The name of a branch without commits takes one more request: not needed if no ref changed.
  const isUnborn = upstream.head === undefined && oldHead.oid === undefined;
  if (isUnborn && digestRefs(oldHead, upstream.refs) === oldDigest) return unchanged;
  const head = await upstream.findHead();
  const digest = digestRefs(head, upstream.refs);
  if (digest === oldDigest) return unchanged;

  const known = readRefs(mirror, revision);
  const before = tipsOf(oldHead, known);
  const now = tipsOf(head, upstream.refs);
  // Includes objects that the packs have: if no ref led to them, nothing has checked their links.
  const moved = without(oidsOf(head, upstream.refs.notIn(known)), before);
  const gone = without(oidsOf(oldHead, known.notIn(upstream.refs)), now);
  const present = packPaths(mirror, revision.packs);
  const { wants, haves } = await withReader(present, { limits, memory }, (reader) => ({
    wants: [...moved].filter((oid) => !reader.has(oid)),
    haves: chooseHaves(reader, oldHead, known, upstream.refs),
  }));
  const packs = wants.length === 0 ? [] : [await fetch(task, memory, upstream, wants, haves)];
  const paths = packsWith(task, revision.packs, packs);
  return await withReader(paths, { limits, memory }, (reader) => {
    const refs = verifyRefs(reader, head, upstream.refs, known);
    reachableObjects(reader, { include: moved, exclude: before, signal });
    // Nearly always the moved refs still lead to the old tips. If not, another ref may.
    const leavesGarbage = ![moved, now].some(
      (tips) => reachesAll(reader, tips, gone, MAX_COMMITS, signal) === true,
    );
    writeRefs(incoming, digest, refs);
    return { head, digest, leavesGarbage, packs };
  });
}

function* oidsOf(head: Head, refs: Iterable<Ref>): Generator<string> {
  if (head.oid !== undefined) yield head.oid;
  for (const { oid } of refs) yield oid;
}

/** The set of `oids` without `others`, which may be far more: these are not collected. */
function without(oids: Iterable<string>, others: Iterable<string>): Set<string> {
  const left = new Set(oids);
  for (const other of others) {
    if (left.size === 0) break;
    left.delete(other);
  }
  return left;
}

/**
 * Fetches the task's commit by its id, if the mirror lacks it, and the upstream has a ref at it or
 * allows any id.
 */
async function fetchCommit(
  task: FetchTask,
  { memory, signal }: JobContext,
  upstream: Upstream,
  newPacks: readonly IngestedPack[],
): Promise<Pick<FetchResult, 'hasCommit' | 'isPinned' | 'pinnedPacks'>> {
  const { commit, revision, incoming, limits } = task;
  const nothing = { hasCommit: false, isPinned: false, pinnedPacks: [] };
  if (commit === undefined) return nothing;
  // The commit may be pinned, or lead to pinned commits.
  const paths = packsWith(task, packsOf(revision), newPacks);
  const isCommit = (reader: ObjectReader) => reader.isCommit(commit);
  const hasCommit = await withReader(paths, { limits, memory }, isCommit);
  if (hasCommit !== undefined) return { ...nothing, hasCommit };
  const isAllowed = [...upstream.capabilities].some((name) => UNADVERTISED_WANTS.test(name));
  if (!isAllowed && !upstream.isCommitAdvertised) return nothing;
  const haves = new Set<string>();
  for (const oid of upstream.refs.oids()) {
    if (haves.size === MAX_HAVES) break;
    haves.add(oid);
  }
  const fetching = fetch(task, memory, upstream, [commit], [...haves]);
  const pack = await fetching.catch((error: unknown) => {
    if (!isNotOurRef(error)) throw error;
  });
  if (pack === undefined) return nothing;
  return await withReader([...paths, join(incoming, pack.name)], { limits, memory }, (reader) => {
    if (!isCommit(reader)) return nothing;
    const exclude = tipsOf(upstream.head, upstream.refs, revision.pinned.commits);
    reachableObjects(reader, { include: [commit], exclude, signal });
    return { hasCommit: true, isPinned: true, pinnedPacks: [pack] };
  });
}

async function fetch(
  { mirror, revision, incoming, limits }: FetchTask,
  memory: ObjectMemory,
  upstream: Upstream,
  wants: readonly string[],
  haves: readonly string[],
): Promise<IngestedPack> {
  // Opened only if a delta has its base in the mirror: rare, as the request does not ask for this.
  let opened: ObjectReader | undefined;
  const reader = () => {
    opened ??= new ObjectReader(packPaths(mirror, revision.packs), limits, memory);
    return opened;
  };
  const bases = {
    has: (oid: string) => reader().has(oid),
    read: (oid: string) => reader().read(oid),
  };
  try {
    return await upstream.fetch(wants, haves, incoming, { bases });
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
