import { mkdirSync, statSync } from 'node:fs';
import { basename, join } from 'node:path';
import { ArchiveFile } from '../archive/archive-file.js';
import { loadContentChecksum } from '../archive/content-checksum.js';
import { TarFrames } from '../archive/tar-frames.js';
import { loadZstdEncoder, type ZstdEncoder } from '../archive/zstd.js';
import { snapshotEtag } from '../artifact/etag.js';
import { type SelectedRefs, type Selection, selectRefs } from '../artifact/select-refs.js';
import type { Limits } from '../config/options.js';
import { SnapshotError } from '../errors.js';
import { parseCommit } from '../git/commit.js';
import { OID_PATTERN } from '../git/object.js';
import type { Head } from '../git/refs.js';
import { reachableObjects } from '../history/reachable-objects.js';
import { reachesAll } from '../history/reaches-all.js';
import { packPaths } from '../mirror/disk/layout.js';
import { readRefs } from '../mirror/disk/refs-file.js';
import type { MirrorRevision } from '../mirror/disk/revision.js';
import { ObjectReader } from '../pack/reader.js';
import { writePack } from '../pack/write-pack.js';
import { type ArchivedCheckout, Checkout, type CheckoutTask } from './checkout.js';
import { CheckoutThread } from './checkout-thread.js';
import { INDEX_SECONDS_LATER, LATEST_MTIME } from './checkout-writer.js';
import { gitDirectory } from './dot-git.js';
import { packEntries } from './pack-entries.js';
import { writeShallowPack } from './shallow-pack.js';
import type { WriteContext, WriteResult } from './write-context.js';

/*
 * Writes a snapshot: copies the mirror's packs, and inflates the working tree straight into tar entries. Its
 * input never changes meanwhile, since a revision of a mirror is immutable.
 */

/** The snapshot to write. Structured-cloneable. */
export interface SnapshotTask {
  readonly kind: 'snapshot';
  /** The mirror's directory. */
  readonly mirror: string;
  readonly revision: MirrorRevision;
  readonly selection: Selection;
  /** Whether a commit given by its id must be reachable from a branch or tag. */
  readonly onlyReachableCommits: boolean;
  /** The basis of the stored snapshot: if the new one has the same, it is not written. */
  readonly unless: string | undefined;
  /** `remote.origin.url` of the snapshot. */
  readonly originUrl: string;
  /** The file to write. It is empty, and the caller removes it. */
  readonly path: string;
  /** A directory that may be created. The caller removes it. */
  readonly scratch: string;
  readonly compressionLevel: number;
  readonly trustFileTimes: boolean;
  /** From this many bytes of packs on, a second thread makes the checkout. The bytes are the same. */
  readonly secondThreadPackBytes: number;
  readonly limits: Limits;
}

/** The content of a snapshot. */
interface Content extends Omit<SelectedRefs, 'basis'> {
  /** Paths of packs, without ending. */
  readonly packs: readonly string[];
  readonly shallow: readonly string[];
}

/**
 * Bytes after which clients get more of the file: as many as they read at once. A failure before the first
 * of these is answered with an error; a later one can only break the connection.
 */
const ANNOUNCED_BYTES = 256 * 1024;

/**
 * @throws SnapshotError `REF_NOT_FOUND`, `REPOSITORY_INVALID`, `UPSTREAM_INVALID`, `LIMIT_EXCEEDED`,
 * `STORAGE_FULL`; `REPOSITORY_DAMAGED` when the mirror is; the signal's reason.
 */
export async function writeSnapshot(
  task: SnapshotTask,
  context: WriteContext,
): Promise<WriteResult> {
  const { mirror, revision, selection, limits } = task;
  const { head, digest, pinned } = revision;
  const refs = readRefs(mirror, revision);
  const packs = packPaths(mirror, revision.packs);
  const isById = selection.ref !== undefined && OID_PATTERN.test(selection.ref);
  const pinnedPacks = isById && !task.onlyReachableCommits ? packPaths(mirror, pinned.packs) : [];
  const reader = new ObjectReader([...packs, ...pinnedPacks], limits, context.memory);
  let content: Content;
  let basis: string;
  try {
    const selected = selectRefs({ head, refs, digest }, selection, reader);
    const { oid } = selected.head;
    if (isById && task.onlyReachableCommits && oid !== undefined) {
      const tips = head.oid === undefined ? refs.oids() : [head.oid, ...refs.oids()];
      requireReachable(reader, oid, tips, context.signal);
    }
    basis = selected.basis;
    if (basis === task.unless) return 'unchanged';
    content =
      selection.depth === undefined
        ? await keepWhole(task, context, reader, selected, packs)
        : await cutOff(task, context, reader, selected, selection.depth);
  } finally {
    reader.close();
  }
  return await writeContent(task, context, content, basis);
}

/** @throws SnapshotError `REF_NOT_FOUND` when the commit is not reachable from the tips. */
function requireReachable(
  reader: ObjectReader,
  commit: string,
  tips: Iterable<string>,
  signal: AbortSignal,
): void {
  if (reachesAll(reader, tips, [commit], Number.POSITIVE_INFINITY, signal)) return;
  throw new SnapshotError('REF_NOT_FOUND', `no branch or tag leads to ${commit}`);
}

/** All packs of the refs. For a commit that only a pinned pack has: also a pack of its missing objects. */
async function keepWhole(
  { scratch, limits }: SnapshotTask,
  context: WriteContext,
  reader: ObjectReader,
  selected: SelectedRefs,
  packs: readonly string[],
): Promise<Content> {
  const whole = { ...selected, packs, shallow: [] };
  const { head, refs } = selected;
  const number = head.oid === undefined ? undefined : reader.numberOf(head.oid);
  if (head.oid === undefined || number === undefined) return whole;
  if (reader.packs.entryOf(number).packNumber < packs.length) return whole;
  const { signal } = context;
  const { objects } = reachableObjects(reader, {
    include: [head.oid],
    exclude: refs.oids(),
    signal,
  });
  mkdirSync(scratch);
  const pack = await writePack(reader, objects, scratch, { ...context, limits });
  return { ...whole, packs: [...packs, join(scratch, pack.name)] };
}

async function cutOff(
  { scratch, limits }: SnapshotTask,
  context: WriteContext,
  reader: ObjectReader,
  selected: SelectedRefs,
  depth: number,
): Promise<Content> {
  const { head, refs } = selected;
  if (head.oid === undefined) return { ...selected, packs: [], shallow: [] };
  mkdirSync(scratch);
  const options = { ...context, limits };
  const cut = await writeShallowPack(reader, head.oid, depth, refs, scratch, options);
  return { ...selected, ...cut, packs: [join(scratch, cut.pack.name)] };
}

async function writeContent(
  task: SnapshotTask,
  context: WriteContext,
  content: Content,
  basis: string,
): Promise<WriteResult> {
  const { packs, head } = content;
  const encoder = await loadZstdEncoder(task.compressionLevel);
  const names = packs.map((path) => basename(path));
  const etag = snapshotEtag({ ...task, ...content, packs: names, encoder: encoder.id });
  context.emit({ kind: 'planned', etag, commit: head.oid, basis });

  const reader = new ObjectReader(packs, task.limits, context.memory);
  try {
    const planned = checkoutTask(task, content, reader);
    const checkout =
      bytesOf(packs) >= task.secondThreadPackBytes
        ? new CheckoutThread(planned, context.checkouts)
        : new Checkout(planned, reader, encoder);
    try {
      const { mtime } = planned;
      const size = await writeArchive(task, { ...content, mtime }, encoder, checkout, context);
      return { size };
    } finally {
      await checkout.close();
    }
  } finally {
    reader.close();
  }
}

function checkoutTask(
  { compressionLevel, limits }: SnapshotTask,
  { packs, head }: { packs: readonly string[]; head: Head },
  reader: ObjectReader,
): CheckoutTask {
  const commit = head.oid === undefined ? undefined : parseCommit(reader.read(head.oid).data);
  // The index gets the commit's time: tar warns of times in the future.
  const earlier = (commit?.committedAt ?? 0) - INDEX_SECONDS_LATER;
  const mtime = Math.min(Math.max(earlier, 1), LATEST_MTIME);
  return { packs, compressionLevel, limits, tree: commit?.tree.toString('hex'), mtime };
}

function bytesOf(packs: readonly string[]): number {
  return packs.reduce((sum, path) => sum + statSync(`${path}.pack`).size, 0);
}

/** @returns the archive's size in bytes. */
async function writeArchive(
  task: SnapshotTask,
  content: Content & { readonly mtime: number },
  encoder: ZstdEncoder,
  checkout: ArchivedCheckout,
  { emit, signal }: WriteContext,
): Promise<number> {
  const newChecksum = await loadContentChecksum();
  const archive = new ArchiveFile(task.path);
  let announced = 0;
  const announce = () => {
    if (archive.size - announced < ANNOUNCED_BYTES) return;
    announced = archive.size;
    emit({ kind: 'written', bytes: announced });
  };
  try {
    const tar = new TarFrames(encoder, (frame) => archive.write(frame));
    addGitDirectory(tar, task, content);
    tar.flush();
    for (const path of content.packs) {
      for (const piece of packEntries(path, content.mtime, newChecksum)) {
        archive.write(piece);
        if (await checkout.isPlanned()) announce();
        signal.throwIfAborted();
      }
    }
    await checkout.write((frame) => {
      archive.write(frame);
      announce();
    }, signal);
    archive.finish();
    return archive.size;
  } finally {
    archive.close();
  }
}

function addGitDirectory(
  tar: TarFrames,
  task: SnapshotTask,
  content: Content & { readonly mtime: number },
): void {
  const { mtime } = content;
  const addDirectory = (path: string) => tar.add({ path, kind: 'directory', mode: 0o755, mtime });
  addDirectory('./');
  addDirectory('./.git/');
  for (const [path, text] of gitDirectory({ ...task, ...content })) {
    if (text === undefined) addDirectory(`./.git/${path}`);
    else tar.add({ path: `./.git/${path}`, kind: 'file', mode: 0o644, mtime }, text);
  }
}
