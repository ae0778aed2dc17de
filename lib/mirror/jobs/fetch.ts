import { join } from 'node:path';
import type { Head, Ref } from '../../git/refs.js';
import { isNotOurRef } from '../../git/upload-pack.js';
import { reachableObjects } from '../../history/reachable-objects.js';
import { reachesAll } from '../../history/reaches-all.js';
import type { IngestedPack } from '../../pack/ingest.js';
import { ObjectReader } from '../../pack/reader.js';
import { withReader } from '../../pack/with-reader.js';
import type { Advertisement } from '../../upstream/advertisement.js';
import { discover, discoverUnbornHead } from '../../upstream/discover.js';
import { fetchPack } from '../../upstream/fetch-pack.js';
import { createHttpClient, type UpstreamClient } from '../../upstream/http-client.js';
import type { UpstreamTask } from '../../upstream/task.js';
import { packPaths, readRefs, writeRefs } from '../disk/layout.js';
import { digestRefs, type MirrorRevision, packsOf } from '../disk/revision.js';
import { chooseHaves, MAX_HAVES } from './haves.js';
import type { JobContext } from './job-context.js';
import { verifyRefs } from './verify-refs.js';

/** A mirror to be brought up to date. */
export interface UpdateTask extends UpstreamTask {
  readonly kind: 'update';
  /** The mirror's directory. */
  readonly mirror: string;
  readonly revision: MirrorRevision;
  /** An empty directory, for the packs that arrive and the new refs. */
  readonly incoming: string;
  /** A commit that is wanted even if no ref leads to it. */
  readonly commit?: string | undefined;
  /** Full names, as bytes, of refs that the mirror does not hold: what they are at is to be said. */
  readonly otherRefs: readonly string[];
}

/** What a revision is to become. Packs lie in `incoming`, and refs if they have changed. */
export interface UpdateResult {
  readonly kind: 'update';
  readonly head: Head;
  readonly digest: string;
  /** How many refs there are. */
  readonly refCount: number;
  /** Whether refs moved away from objects that no ref leads to any more. */
  readonly leavesGarbage: boolean;
  /** For the refs: none when all that they name was there. */
  readonly packs: readonly IngestedPack[];
  /** For the commit: none when it was there, or could not be had. */
  readonly pinnedPacks: readonly IngestedPack[];
  /** Whether the commit that was wanted is there, and no ref is known to lead to it. */
  readonly isPinned: boolean;
  readonly hasCommit: boolean;
  /** Of `otherRefs`, those that are there: full name → id. */
  readonly otherRefs: ReadonlyMap<string, string>;
}

/** Commits that are looked at to find out whether what refs moved away from is still needed. */
const MAX_COMMITS = 20_000;

/** By which of these an upstream lets clients ask for objects that it did not advertise. */
const UNADVERTISED_WANTS = [
  'allow-tip-sha1-in-want',
  'allow-reachable-sha1-in-want',
  'allow-any-sha1-in-want',
];

/**
 * Fetches what a mirror lacks: one `info/refs`, and only when refs moved to objects that are not there
 * one `upload-pack`; another one for a commit that is wanted by its id. Every object is hashed, and
 * everything between the new refs and the old ones is there, before the refs are written. Runs in a
 * worker thread.
 *
 * @throws SnapshotError as `cloneMirror`.
 */
export async function updateMirror(task: UpdateTask, context: JobContext): Promise<UpdateResult> {
  const http = createHttpClient({ ...task, ...task.limits, signal: context.signal });
  try {
    const remote = await discover(task, http, new Set(task.otherRefs));
    const refs = await updateRefs(task, context, http, remote);
    const commit = await fetchCommit(task, context, http, remote, refs.packs);
    const { otherRefs } = remote;
    return { kind: 'update', refCount: remote.refs.length, ...refs, ...commit, otherRefs };
  } finally {
    await http.close();
  }
}

async function updateRefs(
  task: UpdateTask,
  context: JobContext,
  http: UpstreamClient,
  remote: Advertisement,
): Promise<Pick<UpdateResult, 'head' | 'digest' | 'leavesGarbage' | 'packs'>> {
  const { mirror, revision } = task;
  const { head: oldHead, digest: oldDigest } = revision;
  // HEAD is not advertised while its branch has no commits. Which branch that is takes a request more,
  // and is of no interest as long as nothing else has changed.
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
  // Also what packs have already: nothing is known of where an object leads that no ref led to.
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
    // Nearly always what is new leads to what was there; else any other ref may.
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

/** Each of `oids` once that is not one of `others`, which may be many more. */
function without(oids: Iterable<string>, others: Iterable<string>): Set<string> {
  const left = new Set(oids);
  for (const other of others) {
    if (left.size === 0) break;
    left.delete(other);
  }
  return left;
}

/** Fetches the commit that is wanted by its id, if it is not there and the upstream allows it. */
async function fetchCommit(
  task: UpdateTask,
  context: JobContext,
  http: UpstreamClient,
  remote: Advertisement,
  newPacks: readonly IngestedPack[],
): Promise<Pick<UpdateResult, 'hasCommit' | 'isPinned' | 'pinnedPacks'>> {
  const { commit, revision } = task;
  const { pinned } = revision;
  const nothing = { hasCommit: false, isPinned: false, pinnedPacks: [] };
  if (commit === undefined) return nothing;
  // It may be pinned by now, or lead to others that are.
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
  task: UpdateTask,
  { onProgress, threads, memory }: JobContext,
  http: UpstreamClient,
  { capabilities }: Advertisement,
  wants: readonly string[],
  haves: readonly string[],
): Promise<IngestedPack> {
  const { mirror, revision, incoming, limits } = task;
  // Opened only if a delta has its base there, which the upstream was not asked for.
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

/** Paths of the packs of a revision and of those that have arrived. */
function packsWith(
  { mirror, incoming }: UpdateTask,
  names: readonly string[],
  arrived: readonly IngestedPack[],
): string[] {
  return [...packPaths(mirror, names), ...arrived.map(({ name }) => join(incoming, name))];
}
