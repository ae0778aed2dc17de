import { createHash } from 'node:crypto';
import { OID_BYTES } from '../git/object.js';

/*
 * Writing the index: gitformat-index(5), version 2, with the cached tree extension. In pieces: the
 * index of a large checkout has hundreds of megabytes.
 */

export interface IndexEntry {
  /** Bytes as latin1. */
  readonly path: string;
  readonly mode: number;
  /** 40 hex digits. */
  readonly oid: string;
  /** Bytes of the file; the index has the low 32 bits. */
  readonly size: number;
}

export interface CachedTree {
  /** Without its parents'; empty for the root. Bytes as latin1. */
  readonly name: string;
  readonly oid: string;
  /** Index entries below it. */
  readonly entries: number;
  /** Directories in it. */
  readonly subtrees: number;
}

export interface IndexContent {
  readonly count: number;
  /** In the order of their paths' bytes. */
  readonly entries: Iterable<IndexEntry>;
  /** The time of every file, in whole seconds since the epoch. */
  readonly mtime: number;
  /** `undefined` leaves the extension out. */
  readonly cached: CachedTrees | undefined;
}

export interface CachedTrees {
  /** The sum of `cachedTreeBytes` of all. */
  readonly bytes: number;
  /** Parents first; directories of one parent by the length of their names, then by name. */
  readonly trees: Iterable<CachedTree>;
}

export const FileMode = {
  file: 0o100644,
  executable: 0o100755,
  symlink: 0o120000,
  gitlink: 0o160000,
} as const;

const HEADER_BYTES = 12;
const EXTENSION_HEADER_BYTES = 8;
const FIXED_BYTES = 62;
const NAME_LENGTH_MASK = 0xfff;
const PIECE_BYTES = 64 * 1024;

export function indexEntryBytes({ path }: Pick<IndexEntry, 'path'>): number {
  return (FIXED_BYTES + path.length + 8) & ~7; // 1 to 8 NULs, up to a multiple of eight
}

export function cachedTreeBytes(tree: Omit<CachedTree, 'oid'>): number {
  return tree.name.length + countsOf(tree).length + OID_BYTES;
}

export function indexBytes(entryBytes: number, cached: Pick<CachedTrees, 'bytes'> | undefined) {
  const extension = cached === undefined ? 0 : EXTENSION_HEADER_BYTES + cached.bytes;
  return HEADER_BYTES + entryBytes + extension + OID_BYTES;
}

/** @returns pieces of 64 KiB; each is valid until the next is read. */
export function* encodeIndex(content: IndexContent): Generator<Buffer> {
  const hash = createHash('sha1');
  const piece = Buffer.allocUnsafeSlow(PIECE_BYTES);
  let filled = 0;
  for (const part of encodeParts(content)) {
    for (let at = 0; at < part.length; ) {
      const taken = part.copy(piece, filled, at);
      filled += taken;
      at += taken;
      if (filled < PIECE_BYTES) continue;
      hash.update(piece);
      yield piece;
      filled = 0;
    }
  }
  const rest = piece.subarray(0, filled);
  yield rest;
  yield hash.update(rest).digest();
}

function* encodeParts({ count, entries, mtime, cached }: IndexContent): Generator<Buffer> {
  const header = Buffer.alloc(HEADER_BYTES);
  header.write('DIRC', 0, 'latin1');
  header.writeUInt32BE(2, 4);
  header.writeUInt32BE(count, 8);
  yield header;
  for (const entry of entries) yield encodeEntry(entry, mtime);
  if (cached === undefined) return;
  const extension = Buffer.alloc(EXTENSION_HEADER_BYTES);
  extension.write('TREE', 0, 'latin1');
  extension.writeUInt32BE(cached.bytes, 4);
  yield extension;
  for (const tree of cached.trees) {
    yield Buffer.from(tree.name + countsOf(tree), 'latin1');
    yield Buffer.from(tree.oid, 'hex');
  }
}

function encodeEntry(indexed: IndexEntry, mtime: number): Buffer {
  const { path, mode, oid, size } = indexed;
  const entry = Buffer.alloc(indexEntryBytes(indexed));
  // ctime, dev, ino, uid and gid stay 0, as they are not known before extraction: the config keeps
  // git from comparing them.
  if (mode !== FileMode.gitlink) entry.writeUInt32BE(mtime, 8);
  entry.writeUInt32BE(mode, 24);
  entry.writeUInt32BE(size % 2 ** 32, 36);
  entry.write(oid, 40, OID_BYTES, 'hex');
  entry.writeUInt16BE(Math.min(path.length, NAME_LENGTH_MASK), 60);
  entry.write(path, FIXED_BYTES, 'latin1');
  return entry;
}

function countsOf({ entries, subtrees }: Omit<CachedTree, 'name' | 'oid'>): string {
  return `\0${entries} ${subtrees}\n`;
}
