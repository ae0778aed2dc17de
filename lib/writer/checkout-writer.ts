import { setImmediate } from 'node:timers/promises';
import type { TarFrames } from '../archive/tar-frames.js';
import { interruptible } from '../async/abort.js';
import { readBlob, readSymlinkTarget, streamBlob } from '../checkout/blob.js';
import { checkSize } from '../checkout/checkout-plan.js';
import { convertToWorkingTree } from '../checkout/convert.js';
import {
  encodeIndex,
  FileMode,
  type IndexEntry,
  indexBytes,
  indexEntryBytes,
} from '../checkout/git-index.js';
import type { CheckoutPlan } from '../checkout/planned-tree.js';
import { type CheckoutEntry, cachedTrees, walkCheckout } from '../checkout/tree-walk.js';
import type { WorkLimits } from '../config/options.js';
import { NumberList } from '../history/number-list.js';
import type { LocatedObject, ObjectReader } from '../pack/reader.js';

/** Larger blobs are streamed, unless they must be converted. */
const STREAMED_BLOB_BYTES = 8 * 1024 * 1024;
/** Seconds by which files are older than the index: so git does not suspect later changes. */
export const INDEX_SECONDS_LATER = 2;
/** The latest time of files: the index's own time must fit into 32 bits. */
export const LATEST_MTIME = 0xffff_ffff - INDEX_SECONDS_LATER;

export interface CheckoutParts {
  readonly plan: CheckoutPlan;
  readonly reader: ObjectReader;
  readonly tar: TarFrames;
  /** The time of all files, in whole seconds since the epoch. */
  readonly mtime: number;
  readonly limits: WorkLimits;
  /** Checked after each frame. */
  readonly signal: AbortSignal;
}

/**
 * Inflates the working tree from the packs straight into tar entries, then adds its index, whose
 * entries a second walk over the trees finds. Memory: four bytes a file and the current object.
 *
 * @throws SnapshotError as `ObjectReader.read` and `convertToWorkingTree`; `LIMIT_EXCEEDED`.
 */
export async function writeCheckout(parts: CheckoutParts): Promise<void> {
  const { plan, reader, tar, mtime, signal } = parts;
  const writer = new CheckoutWriter(parts);
  let frames = tar.count;
  for (const entry of walkCheckout(reader, plan)) {
    // Most entries return no promise: awaiting each would be slow.
    const streaming = writer.checkOut(entry);
    if (streaming !== undefined) await streaming;
    if (tar.count === frames) continue;
    frames = tar.count;
    await setImmediate(); // messages, such as an abort, arrive by the event loop
    signal.throwIfAborted();
  }
  const cached = cachedTrees(reader, plan);
  const entries = indexedEntries(walkCheckout(reader, plan), writer.sizes);
  const index = encodeIndex({ count: writer.sizes.length, entries, mtime, cached });
  const later = mtime + INDEX_SECONDS_LATER;
  const size = indexBytes(writer.indexedBytes, cached);
  await tar.addStream(
    { path: './.git/index', kind: 'file', mode: 0o644, mtime: later, size },
    interruptible(index, signal),
  );
}

/** @param sizes of the files, in the same order. */
function* indexedEntries(
  checkout: Iterable<CheckoutEntry>,
  sizes: NumberList,
): Generator<IndexEntry> {
  let count = 0;
  for (const { path, kind, executable, oid } of checkout) {
    if (kind === 'directory') continue;
    const mode = executable ? FileMode.executable : FileMode[kind];
    yield { path, mode, oid, size: sizes.at(count++) };
  }
}

class CheckoutWriter {
  /** Sizes of the index's entries, in its order. */
  readonly sizes = new NumberList();
  /** Bytes of the index's entries. */
  indexedBytes = 0;
  readonly #parts: CheckoutParts;
  #bytes = 0;

  constructor(parts: CheckoutParts) {
    this.#parts = parts;
  }

  /** @returns a promise if the file is streamed. */
  checkOut(entry: CheckoutEntry): void | Promise<void> {
    if (entry.kind === 'file') return this.#addFile(entry);
    if (entry.kind === 'symlink') return this.#addSymlink(entry);
    if (entry.kind === 'gitlink') this.#indexed(entry, 0);
    const { tar, mtime } = this.#parts;
    tar.add({ path: `./${entry.path}/`, kind: 'directory', mode: 0o755, mtime });
  }

  #addSymlink(entry: CheckoutEntry): void {
    const { reader, tar, mtime } = this.#parts;
    const target = readSymlinkTarget(reader, entry, this.#locate(entry));
    this.#indexed(entry, target.length);
    tar.add({ path: `./${entry.path}`, kind: 'symlink', mode: 0o777, mtime, target });
  }

  #addFile(entry: CheckoutEntry): void | Promise<void> {
    const { plan, reader, tar, mtime } = this.#parts;
    const { executable, oid, path } = entry;
    const isConverted = plan.converted.has(this.sizes.length);
    const located = this.#locate(entry);
    const size = located?.wholeSize ?? 0;
    const mode = executable ? 0o755 : 0o644;
    const file = { path: `./${path}`, kind: 'file', mode, mtime } as const;
    if (located !== undefined && size > STREAMED_BLOB_BYTES && !isConverted) {
      this.#indexed(entry, size);
      return tar.addStream({ ...file, size }, streamBlob(reader, oid, located));
    }
    const blob = readBlob(reader, oid, located);
    const content = isConverted ? this.#convert(blob, entry) : blob;
    this.#indexed(entry, content.length);
    tar.add(file, content);
  }

  #convert(blob: Buffer, { path, oid, rules }: CheckoutEntry): Buffer {
    const attributes = rules().lookup(path);
    return convertToWorkingTree(blob, attributes, oid, this.#parts.limits.maxObjectBytesInMemory);
  }

  #locate({ blob }: CheckoutEntry): LocatedObject | undefined {
    return blob === undefined ? undefined : this.#parts.reader.locateNumber(blob);
  }

  #indexed(entry: CheckoutEntry, size: number): void {
    this.#bytes += size;
    checkSize(this.#bytes, this.#parts.limits);
    this.sizes.push(size);
    this.indexedBytes += indexEntryBytes(entry);
  }
}
