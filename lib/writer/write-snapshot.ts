import { mkdirSync, statSync } from 'node:fs';
import { basename, join } from 'node:path';
import { ArchiveFile } from '../archive/archive-file.js';
import { loadContentChecksum } from '../archive/content-checksum.js';
import { TarFrames } from '../archive/tar-frames.js';
import { loadZstdEncoder, type ZstdEncoder } from '../archive/zstd.js';
import { snapshotEtag } from '../artifact/etag.js';
import { type SelectedRefs, type Selection, selectRefs } from '../artifact/select-refs.js';
import { SnapshotError } from '../errors.js';
import { parseCommit } from '../git/commit.js';
import { OID_PATTERN } from '../git/object.js';
import { RefList } from '../git/ref-list.js';
import type { Ref } from '../git/refs.js';
import { reachableObjects } from '../history/reachable-objects.js';
import { reachesAll } from '../history/reaches-all.js';
import { resolveTips } from '../history/tips.js';
import { packPaths } from '../mirror/disk/layout.js';
import { readRefs, tipsOf } from '../mirror/disk/refs-file.js';
import { type ObjectReader, withReader } from '../pack/reader.js';
import { writePack } from '../pack/write-pack.js';
import { type ArchivedCheckout, type CheckoutTask, createCheckout } from './checkout.js';
import { checkoutInThread } from './checkout-thread.js';
import { INDEX_SECONDS_LATER, LATEST_MTIME } from './checkout-writer.js';
import { gitDirectory } from './dot-git.js';
import { packEntries } from './pack-entries.js';
import type { ArtifactTask, WriteContext, WriteResult } from './write-context.js';

/** The snapshot to write. */
export interface SnapshotTask extends ArtifactTask {
  readonly kind: 'snapshot';
  readonly selection: Selection;
  /** Whether a commit given by its id must be reachable from a branch or tag. */
  readonly onlyReachableCommits: boolean;
  /** The basis of the stored snapshot: if the new one has the same, it is not written. */
  readonly unlessBasis: string | undefined;
  /** `remote.origin.url` of the snapshot. */
  readonly originUrl: string;
  readonly compressionLevel: number;
  readonly trustFileTimes: boolean;
  /**
   * If the packs have this many bytes or more, a second thread makes the checkout. The archive has
   * the same bytes either way.
   */
  readonly secondThreadPackBytes: number;
}

/** The content of a snapshot. */
interface Content extends SelectedRefs {
  /** Paths of packs, without ending. */
  readonly packs: readonly string[];
  readonly shallow: readonly string[];
}

/**
 * Clients are told of new bytes of the file in steps of this size: as many as they read at once. A
 * failure before the first step is answered with an error. A later failure can only break the
 * connection.
 */
const ANNOUNCED_BYTES = 256 * 1024;

/**
 * Writes a snapshot: copies the mirror's packs, and inflates the working tree straight into tar
 * entries. Its input never changes meanwhile, since a revision of a mirror is immutable.
 *
 * @throws SnapshotError `REF_NOT_FOUND`, `REPOSITORY_INVALID`, `UPSTREAM_INVALID`,
 * `LIMIT_EXCEEDED`, `STORAGE_FULL`; `REPOSITORY_DAMAGED` when the mirror is damaged; the signal's
 * reason.
 */
export async function writeSnapshot(
  task: SnapshotTask,
  context: WriteContext,
): Promise<WriteResult> {
  const { mirror, revision, selection, onlyReachableCommits, limits } = task;
  const { head, digest, pinned } = revision;
  const { memory, signal } = context;
  const refs = readRefs(mirror, revision);
  const packs = packPaths(mirror, revision.packs);
  const commit = selection.ref && OID_PATTERN.test(selection.ref) ? selection.ref : undefined;
  const pinnedPacks = commit && !onlyReachableCommits ? packPaths(mirror, pinned.packs) : [];
  const readable = [...packs, ...pinnedPacks];
  const content = await withReader(readable, { limits, memory }, async (reader) => {
    const selected = selectRefs({ head, refs, digest }, selection, reader);
    if (commit !== undefined && onlyReachableCommits) {
      const tips = tipsOf(head, refs);
      if (!reachesAll(reader, tips, [commit], Number.POSITIVE_INFINITY, signal)) {
        throw new SnapshotError('REF_NOT_FOUND', `no branch or tag leads to ${commit}`);
      }
    }
    if (selected.basis === task.unlessBasis) return 'unchanged';
    return selection.depth === undefined
      ? await keepWhole(task, context, reader, selected, packs)
      : await cutOff(task, context, reader, selected, selection.depth);
  });
  if (content === 'unchanged') return content;
  return { size: await writeContent(task, context, content) };
}

/**
 * Takes all packs of the refs. For a commit that only a pinned pack has, it adds a pack of the
 * objects that the other packs lack.
 */
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
  const walk = { include: [head.oid], exclude: refs.oids(), signal: context.signal };
  const { objects } = reachableObjects(reader, walk);
  mkdirSync(scratch);
  const pack = await writePack(reader, objects, scratch, { ...context, limits });
  return { ...whole, packs: [...packs, join(scratch, pack.name)] };
}

/**
 * Makes a pack of the latest commits, their trees and blobs, and annotated tags of these commits,
 * as an upstream sends them with `include-tag`. Keeps a ref if its peeled object is in the pack.
 */
async function cutOff(
  { scratch, limits }: SnapshotTask,
  context: WriteContext,
  reader: ObjectReader,
  selected: SelectedRefs,
  depth: number,
): Promise<Content> {
  const { oid } = selected.head;
  if (oid === undefined) return { ...selected, packs: [], shallow: [] };
  const walk = { include: [oid], depth, signal: context.signal };
  const { objects, shallow } = reachableObjects(reader, walk);
  function* kept(): Generator<Ref> {
    for (const ref of selected.refs) {
      const number = reader.numberOf(ref.peeled ?? ref.oid);
      if (number !== undefined && objects.has(number)) yield ref;
    }
  }
  const refs = RefList.of(kept());
  for (const number of resolveTips(reader, refs.oids()).tags) objects.add(number);
  mkdirSync(scratch);
  const pack = await writePack(reader, objects, scratch, { ...context, limits });
  return { ...selected, refs, packs: [join(scratch, pack.name)], shallow };
}

/** @returns the archive's size in bytes. */
async function writeContent(
  task: SnapshotTask,
  context: WriteContext,
  content: Content,
): Promise<number> {
  const { packs, head, basis } = content;
  const { limits } = task;
  const { memory, checkouts } = context;
  const encoder = await loadZstdEncoder(task.compressionLevel);
  const names = packs.map((path) => basename(path));
  const etag = snapshotEtag({ ...task, ...content, packs: names, encoder: encoder.id });
  context.emit({ kind: 'planned', etag, commit: head.oid, basis });
  return await withReader(packs, { limits, memory }, async (reader) => {
    const planned = checkoutTask(task, content, reader);
    const checkout =
      bytesOf(packs) >= task.secondThreadPackBytes
        ? checkoutInThread(planned, checkouts)
        : createCheckout(planned, reader, encoder);
    try {
      const { mtime } = planned;
      return await writeArchive(task, { ...content, mtime }, encoder, checkout, context);
    } finally {
      await checkout.close();
    }
  });
}

function checkoutTask(
  { compressionLevel, limits }: SnapshotTask,
  { packs, head }: Content,
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
