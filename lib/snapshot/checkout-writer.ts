import { setImmediate } from 'node:timers/promises';
import type { TarFrames } from '../archive/tar-frames.js';
import { readBlob, streamBlob } from '../checkout/blob.js';
import { type CheckoutPlan, checkSize, type PlannedEntry } from '../checkout/checkout-plan.js';
import { convertToWorkingTree, needsConversion } from '../checkout/convert.js';
import { encodeIndex, FileMode, type IndexEntry } from '../checkout/git-index.js';
import type { CheckoutEntry } from '../checkout/tree-walk.js';
import type { Limits } from '../options.js';
import type { LocatedObject, ObjectReader } from '../pack/reader.js';

/** Blobs above this are streamed, if nothing is to be converted in them. */
const STREAMED_BLOB_BYTES = 8 * 1024 * 1024;
/** Files are this much older than the index, so that git need not suspect them of later changes. */
const INDEX_SECONDS_LATER = 2;
/** The latest time of a file that an index can hold, and its own with it. */
export const LATEST_MTIME = 0xffff_ffff - INDEX_SECONDS_LATER;

export interface CheckoutOptions {
  /** Of every file, in whole seconds since the epoch. */
  readonly mtime: number;
  readonly limits: Limits;
  /** Looked at after each frame. */
  readonly signal: AbortSignal;
}

/**
 * Inflates the working tree from the packs straight into tar entries, and adds its index.
 *
 * @throws SnapshotError as `ObjectReader.read` and `convertToWorkingTree`; `LIMIT_EXCEEDED`.
 */
export async function writeCheckout(
  { entries, tree }: CheckoutPlan,
  reader: ObjectReader,
  tar: TarFrames,
  { mtime, limits, signal }: CheckoutOptions,
): Promise<void> {
  const writer = new CheckoutWriter(reader, tar, mtime, limits);
  let frames = tar.count;
  for (const entry of entries) {
    // Most have nothing to wait for, and there are as many as files.
    const streaming = writer.checkOut(entry);
    if (streaming !== undefined) await streaming;
    if (tar.count === frames) continue;
    frames = tar.count;
    await setImmediate(); // or the thread would not hear of an abort
    signal.throwIfAborted();
  }
  const index = encodeIndex(writer.index, mtime, tree);
  const later = mtime + INDEX_SECONDS_LATER;
  tar.add({ path: './.git/index', kind: 'file', mode: 0o644, mtime: later }, index);
}

class CheckoutWriter {
  readonly index: IndexEntry[] = [];
  readonly #reader: ObjectReader;
  readonly #tar: TarFrames;
  readonly #mtime: number;
  readonly #limits: Limits;
  #bytes = 0;

  constructor(reader: ObjectReader, tar: TarFrames, mtime: number, limits: Limits) {
    this.#reader = reader;
    this.#tar = tar;
    this.#mtime = mtime;
    this.#limits = limits;
  }

  /** @returns a promise only for what is streamed. */
  checkOut(entry: PlannedEntry): void | Promise<void> {
    switch (entry.kind) {
      case 'directory':
        return this.#addDirectory(entry);
      case 'gitlink':
        this.#indexed(entry, FileMode.gitlink, 0);
        return this.#addDirectory(entry);
      case 'symlink':
        return this.#addSymlink(entry, entry.target);
      case 'file':
        return this.#addFile(entry, entry.located);
    }
  }

  #addDirectory({ path }: CheckoutEntry): void {
    this.#tar.add({ path: `./${path}/`, kind: 'directory', mode: 0o755, mtime: this.#mtime });
  }

  #addSymlink(entry: CheckoutEntry, target: Buffer): void {
    this.#indexed(entry, FileMode.symlink, target.length);
    this.#tar.add({
      path: `./${entry.path}`,
      kind: 'symlink',
      mode: 0o777,
      mtime: this.#mtime,
      target: target.toString('latin1'),
    });
  }

  #addFile(entry: CheckoutEntry, located: LocatedObject): void | Promise<void> {
    const { executable, oid, path, rules } = entry;
    const attributes = rules.lookup(path);
    const indexMode = executable ? FileMode.executable : FileMode.regular;
    const size = located.wholeSize ?? 0;
    const file = {
      path: `./${path}`,
      kind: 'file',
      mode: executable ? 0o755 : 0o644,
      mtime: this.#mtime,
    } as const;
    if (size > STREAMED_BLOB_BYTES && !needsConversion(attributes)) {
      this.#indexed(entry, indexMode, size);
      return this.#tar.addStream({ ...file, size }, streamBlob(this.#reader, oid, located));
    }
    const blob = readBlob(this.#reader, oid, located);
    const { maxObjectBytesInMemory } = this.#limits;
    const content = convertToWorkingTree(blob, attributes, oid, maxObjectBytesInMemory);
    this.#indexed(entry, indexMode, content.length);
    this.#tar.add(file, content);
  }

  #indexed({ path, oid }: CheckoutEntry, mode: number, size: number): void {
    this.#bytes += size;
    checkSize(this.#bytes, this.#limits);
    this.index.push({ path, mode, oid, size });
  }
}
