import { ArchiveFile } from '../archive/archive-file.js';
import { loadZstdEncoder } from '../archive/zstd.js';
import { readBlob, streamBlob } from '../checkout/blob.js';
import {
  type CheckoutPlan,
  checkSize,
  type PlannedEntry,
  planCheckout,
} from '../checkout/checkout-plan.js';
import { convertToWorkingTree, needsConversion } from '../checkout/convert.js';
import { encodeIndex, FileMode, type IndexEntry } from '../checkout/git-index.js';
import type { CheckoutEntry } from '../checkout/tree-walk.js';
import { parseCommit } from '../git/commit.js';
import type { Head, Ref } from '../git/refs.js';
import { packDirectory, readMirrorRefs } from '../mirror/layout.js';
import type { Limits } from '../options.js';
import { type LocatedObject, ObjectReader } from '../pack/reader.js';
import { fingerprint } from './fingerprint.js';
import { gitDirectory } from './git-directory.js';
import { addPack } from './pack-entry.js';

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
  readonly limits: Limits;
}

export type WriteEvent =
  /** Before the first byte: what the snapshot will be. */
  | { readonly kind: 'planned'; readonly etag: string; readonly commit: string | undefined }
  /** So many bytes lie in the file. */
  | { readonly kind: 'written'; readonly bytes: number };

export interface WriteResult {
  /** Bytes of the whole snapshot. */
  readonly size: number;
}

/** Blobs above this are streamed, if nothing is to be converted in them. */
const STREAMED_BLOB_BYTES = 8 * 1024 * 1024;
/** Files are this much older than the index, so that git need not suspect them of later changes. */
const INDEX_SECONDS_LATER = 2;
const LATEST_MTIME = 0xffff_ffff - INDEX_SECONDS_LATER;

/**
 * @throws SnapshotError `REPOSITORY_INVALID`, `UPSTREAM_INVALID`, `LIMIT_EXCEEDED`, `STORAGE_FULL`;
 * `INTERNAL` when the mirror is damaged.
 */
export async function writeSnapshot(
  task: WriteTask,
  emit: (event: WriteEvent) => void,
): Promise<WriteResult> {
  const { head, refs } = readMirrorRefs(task.mirror);
  const encoder = await loadZstdEncoder(task.compressionLevel);
  const etag = fingerprint({ ...task, head, refs, encoder: encoder.id });
  emit({ kind: 'planned', etag, commit: head.oid });

  const reader = new ObjectReader(packDirectory(task.mirror), task.packs, task.limits);
  try {
    const archive = new ArchiveFile(task.path, encoder, (bytes) =>
      emit({ kind: 'written', bytes }),
    );
    try {
      const writer = new SnapshotWriter(task, archive, reader, head, refs);
      await writer.write();
      return { size: archive.finish() };
    } finally {
      archive.close();
    }
  } finally {
    reader.close();
  }
}

class SnapshotWriter {
  readonly #task: WriteTask;
  readonly #archive: ArchiveFile;
  readonly #reader: ObjectReader;
  readonly #head: Head;
  readonly #refs: readonly Ref[];
  readonly #index: IndexEntry[] = [];
  #checkoutBytes = 0;
  #mtime = 1;

  constructor(
    task: WriteTask,
    archive: ArchiveFile,
    reader: ObjectReader,
    head: Head,
    refs: readonly Ref[],
  ) {
    this.#task = task;
    this.#archive = archive;
    this.#reader = reader;
    this.#head = head;
    this.#refs = refs;
  }

  async write(): Promise<void> {
    const oid = this.#head.oid;
    const commit = oid === undefined ? undefined : parseCommit(this.#reader.read(oid).data);
    if (commit !== undefined) {
      this.#mtime = Math.min(Math.max(commit.committedAt, 1), LATEST_MTIME);
    }
    const plan = commit && planCheckout(this.#reader, commit.tree, this.#task.limits);
    this.#addDirectory('./');
    this.#addGitDirectory();
    if (plan !== undefined) await this.#addCheckout(plan);
  }

  #addGitDirectory(): void {
    const { mirror, packs } = this.#task;
    this.#addDirectory('./.git/');
    for (const [path, content] of gitDirectory({
      ...this.#task,
      head: this.#head,
      refs: this.#refs,
    })) {
      if (content === undefined) this.#addDirectory(`./.git/${path}`);
      else this.#addFile(`./.git/${path}`, 0o644, Buffer.from(content));
    }
    for (const name of packs) {
      addPack(this.#archive, packDirectory(mirror), name, this.#mtime);
    }
  }

  async #addCheckout({ entries, tree }: CheckoutPlan): Promise<void> {
    for (const entry of entries) await this.#checkOut(entry);
    const index = encodeIndex(this.#index, this.#mtime, tree);
    const mtime = this.#mtime + INDEX_SECONDS_LATER;
    this.#archive.add({ path: './.git/index', kind: 'file', mode: 0o644, mtime }, index);
  }

  #checkOut(entry: PlannedEntry): void | Promise<void> {
    switch (entry.kind) {
      case 'directory':
        return this.#addDirectory(`./${entry.path}/`);
      case 'gitlink':
        this.#indexed(entry, FileMode.gitlink, 0);
        return this.#addDirectory(`./${entry.path}/`);
      case 'symlink':
        return this.#checkOutSymlink(entry, entry.target);
      case 'file':
        return this.#checkOutFile(entry, entry.located);
    }
  }

  #checkOutSymlink(entry: CheckoutEntry, target: Buffer): void {
    this.#indexed(entry, FileMode.symlink, target.length);
    this.#archive.add({
      path: `./${entry.path}`,
      kind: 'symlink',
      mode: 0o777,
      mtime: this.#mtime,
      target: target.toString('latin1'),
    });
  }

  #checkOutFile(entry: CheckoutEntry, located: LocatedObject): void | Promise<void> {
    const { executable, oid, path, rules } = entry;
    const attributes = rules.lookup(path);
    const mode = executable ? 0o755 : 0o644;
    const indexMode = executable ? FileMode.executable : FileMode.regular;
    const size = located.wholeSize ?? 0;
    if (size > STREAMED_BLOB_BYTES && !needsConversion(attributes)) {
      this.#indexed(entry, indexMode, size);
      return this.#archive.addStream(
        { path: `./${path}`, kind: 'file', mode, size, mtime: this.#mtime },
        streamBlob(this.#reader, oid, located),
      );
    }
    const content = convertToWorkingTree(
      readBlob(this.#reader, oid, located),
      attributes,
      oid,
      this.#task.limits.maxObjectBytesInMemory,
    );
    this.#indexed(entry, indexMode, content.length);
    this.#addFile(`./${path}`, mode, content);
  }

  #indexed({ path, oid }: CheckoutEntry, mode: number, size: number): void {
    this.#checkoutBytes += size;
    checkSize(this.#checkoutBytes, this.#task.limits);
    this.#index.push({ path, mode, oid, size });
  }

  #addDirectory(path: string): void {
    this.#archive.add({ path, kind: 'directory', mode: 0o755, mtime: this.#mtime });
  }

  #addFile(path: string, mode: number, content: Buffer): void {
    this.#archive.add({ path, kind: 'file', mode, mtime: this.#mtime }, content);
  }
}
