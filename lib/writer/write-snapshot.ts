import { statSync } from 'node:fs';
import { basename } from 'node:path';
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
import { type ArchivedCheckout, type CheckoutTask, createCheckout } from './checkout.js';
import { checkoutInThread } from './checkout-thread.js';
import { INDEX_SECONDS_LATER, LATEST_MTIME } from './checkout-writer.js';
import { type GitFile, gitDirectory } from './dot-git.js';
import { packEntries } from './pack-entries.js';
import { writeScratchPack } from './scratch-pack.js';
import type { ArtifactTask, WriteContext, WriteResult } from './write-context.js';

export interface SnapshotTask extends ArtifactTask {
  readonly kind: 'snapshot';
  readonly selection: Selection;
  /** Whether a commit given by its id must be reachable from a branch or tag. */
  readonly onlyReachableCommits: boolean;
  /** The basis of the stored snapshot: nothing is written if the new one has the same. */
  readonly unlessBasis: string | undefined;
  /** `remote.origin.url`. */
  readonly originUrl: string;
  readonly compressionLevel: number;
  readonly trustFileTimes: boolean;
  /** From this size of packs on, a second thread makes the checkout. It gives the same bytes. */
  readonly secondThreadPackBytes: number;
}

interface Content extends SelectedRefs {
  /** Paths of packs, without ending. */
  readonly packs: readonly string[];
  readonly shallow: readonly string[];
}

/**
 * Clients are told of new bytes in steps of this size: as many as they read at once. A failure
 * before the first step is answered with an error; a later one can only break the connection.
 */
const ANNOUNCED_BYTES = 256 * 1024;

/**
 * @throws SnapshotError `REF_NOT_FOUND`, `REPOSITORY_INVALID`, `UPSTREAM_INVALID`,
 * `LIMIT_EXCEEDED`, `STORAGE_FULL`; `MIRROR_CORRUPTED`; the signal's reason.
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

/** All packs of the refs. For a commit that only a pinned pack has, a new pack is added. */
async function keepWhole(
  task: SnapshotTask,
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
  return { ...whole, packs: [...packs, await writeScratchPack(task, context, reader, objects)] };
}

/**
 * A pack of the latest commits and of annotated tags that lead to them, as an upstream sends them
 * with `include-tag`. Keeps a ref if its peeled object is in the pack.
 */
async function cutOff(
  task: SnapshotTask,
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
  const pack = await writeScratchPack(task, context, reader, objects);
  return { ...selected, refs, packs: [pack], shallow };
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
  // The index has the commit's time: tar warns of times in the future.
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
  const { packs, mtime } = content;
  const archive = new ArchiveFile(task.path);
  let announced = 0;
  const announce = () => {
    if (archive.size - announced < ANNOUNCED_BYTES) return;
    announced = archive.size;
    emit({ kind: 'written', bytes: announced });
  };
  try {
    const tar = new TarFrames(encoder, (frame) => archive.write(frame));
    addGitDirectory(tar, gitDirectory({ ...task, ...content }), mtime);
    tar.flush();
    for (const pack of packs) {
      for (const piece of packEntries(pack, mtime, newChecksum)) {
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

function addGitDirectory(tar: TarFrames, files: readonly GitFile[], mtime: number): void {
  const addDirectory = (path: string) => tar.add({ path, kind: 'directory', mode: 0o755, mtime });
  addDirectory('./');
  addDirectory('./.git/');
  for (const [path, text] of files) {
    if (text === undefined) addDirectory(`./.git/${path}`);
    else tar.add({ path: `./.git/${path}`, kind: 'file', mode: 0o644, mtime }, text);
  }
}
