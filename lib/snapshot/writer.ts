import { statSync } from 'node:fs';
import { join } from 'node:path';
import { ArchiveFile } from '../archive/archive-file.js';
import { TarFrames } from '../archive/tar-frames.js';
import { loadZstdEncoder, type ZstdEncoder } from '../archive/zstd.js';
import { parseCommit } from '../git/commit.js';
import type { Head, Ref } from '../git/refs.js';
import { packDirectory, readMirrorRefs } from '../mirror/layout.js';
import type { Limits } from '../options.js';
import type { ObjectMemory } from '../pack/object-memory.js';
import { ObjectReader } from '../pack/reader.js';
import { type ArchivedCheckout, Checkout, type CheckoutTask } from './checkout.js';
import { type CheckoutPool, CheckoutThread } from './checkout-thread.js';
import { LATEST_MTIME } from './checkout-writer.js';
import { fingerprint } from './fingerprint.js';
import { gitDirectory } from './git-directory.js';
import { packEntries } from './pack-entry.js';

/*
 * Writes a snapshot: packs as they lie in the mirror, the working tree inflated straight into tar
 * entries. What it reads is fixed when it starts (refs, and the names of packs, which never change).
 */

/** A snapshot to be written; structured-cloneable. */
export interface WriteTask {
  /** The mirror's directory. */
  readonly mirror: string;
  /** Names of its packs, without ending. */
  readonly packs: readonly string[];
  /** `remote.origin.url` of the snapshot. */
  readonly originUrl: string;
  /** The file to write: empty, and the caller's to remove. */
  readonly path: string;
  readonly compressionLevel: number;
  readonly trustFileTimes: boolean;
  /** So many bytes of packs make a second thread worth its start. The snapshot is the same. */
  readonly secondThreadPackBytes: number;
  readonly limits: Limits;
}

export type WriteEvent =
  /** Before the first byte: what the snapshot will be. */
  | { readonly kind: 'planned'; readonly etag: string; readonly commit: string | undefined }
  /** So many bytes lie in the file, and may be shown. */
  | { readonly kind: 'written'; readonly bytes: number };

export interface WriteResult {
  /** Bytes of the whole snapshot. */
  readonly size: number;
}

/**
 * Bytes that are worth a message: as many as a reader takes at once. What fails before is told by an
 * answer; later it can only break the connection.
 */
const ANNOUNCED_BYTES = 256 * 1024;

export interface WriteContext {
  emit(event: WriteEvent): void;
  /** Looked at after each piece of a pack, and after each frame. */
  readonly signal: AbortSignal;
  /** Where the checkout is made when a second thread is worth it. */
  readonly checkouts: CheckoutPool;
  /** For inflating. */
  readonly memory: ObjectMemory;
}

/**
 * @throws SnapshotError `REPOSITORY_INVALID`, `UPSTREAM_INVALID`, `LIMIT_EXCEEDED`, `STORAGE_FULL`;
 * `INTERNAL` when the mirror is damaged; the signal's reason.
 */
export async function writeSnapshot(task: WriteTask, context: WriteContext): Promise<WriteResult> {
  const { head, refs } = readMirrorRefs(task.mirror);
  const encoder = await loadZstdEncoder(task.compressionLevel);
  const etag = fingerprint({ ...task, head, refs, encoder: encoder.id });
  context.emit({ kind: 'planned', etag, commit: head.oid });

  const reader = new ObjectReader(
    packDirectory(task.mirror),
    task.packs,
    task.limits,
    context.memory,
  );
  try {
    const planned = checkoutTask(task, head, reader);
    const checkout =
      packBytes(task) >= task.secondThreadPackBytes
        ? new CheckoutThread(planned, context.checkouts)
        : new Checkout(planned, reader, encoder);
    try {
      return {
        size: await writeArchive(task, { ...planned, head, refs }, encoder, checkout, context),
      };
    } finally {
      await checkout.close();
    }
  } finally {
    reader.close();
  }
}

function checkoutTask(task: WriteTask, head: Head, reader: ObjectReader): CheckoutTask {
  const { mirror, packs, compressionLevel, limits } = task;
  const commit = head.oid === undefined ? undefined : parseCommit(reader.read(head.oid).data);
  const mtime = Math.min(Math.max(commit?.committedAt ?? 1, 1), LATEST_MTIME);
  return { mirror, packs, compressionLevel, limits, tree: commit?.tree, mtime };
}

function packBytes({ mirror, packs }: WriteTask): number {
  const sizes = packs.map((name) => statSync(join(packDirectory(mirror), `${name}.pack`)).size);
  return sizes.reduce((sum, size) => sum + size, 0);
}

/** @returns the archive's size in bytes. */
async function writeArchive(
  task: WriteTask,
  content: { head: Head; refs: readonly Ref[]; mtime: number },
  encoder: ZstdEncoder,
  checkout: ArchivedCheckout,
  { emit, signal }: WriteContext,
): Promise<number> {
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
    for (const name of task.packs) {
      for (const piece of packEntries(packDirectory(task.mirror), name, content.mtime)) {
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
  task: WriteTask,
  { head, refs, mtime }: { head: Head; refs: readonly Ref[]; mtime: number },
): void {
  const addDirectory = (path: string) => tar.add({ path, kind: 'directory', mode: 0o755, mtime });
  addDirectory('./');
  addDirectory('./.git/');
  for (const [path, content] of gitDirectory({ ...task, head, refs })) {
    if (content === undefined) addDirectory(`./.git/${path}`);
    else
      tar.add({ path: `./.git/${path}`, kind: 'file', mode: 0o644, mtime }, Buffer.from(content));
  }
}
