import { createHash } from 'node:crypto';
import { OID_BYTES } from '../git/object.js';

/*
 * The index file: gitformat-index(5), version 2, with the cached tree extension.
 */

/** A file, symlink or submodule of the checkout. */
export interface IndexEntry {
  /** Bytes as latin1: one character a byte. */
  readonly path: string;
  readonly mode: number;
  /** 40 hex digits. */
  readonly oid: string;
  /** Bytes that lie in the working tree. */
  readonly size: number;
}

/** A directory of HEAD's tree, for the cached tree extension. */
export interface CachedTree {
  /** Its own name; empty for the root. Bytes as latin1. */
  readonly name: string;
  readonly oid: string;
  /** Index entries below it. */
  readonly entries: number;
  readonly subtrees: readonly CachedTree[];
}

export const FileMode = {
  regular: 0o100644,
  executable: 0o100755,
  symlink: 0o120000,
  gitlink: 0o160000,
} as const;

const FIXED_BYTES = 62;
const NAME_LENGTH_MASK = 0xfff;

/**
 * @param entries in the order of their paths, as bytes.
 * @param mtime of every file, in whole seconds since the epoch.
 * @param tree `undefined` leaves the extension out.
 */
export function encodeIndex(
  entries: readonly IndexEntry[],
  mtime: number,
  tree: CachedTree | undefined,
): Buffer {
  const header = Buffer.alloc(12);
  header.write('DIRC', 0, 'latin1');
  header.writeUInt32BE(2, 4);
  header.writeUInt32BE(entries.length, 8);
  const parts = [header, ...entries.map((entry) => encodeEntry(entry, mtime))];
  if (tree !== undefined) parts.push(extension('TREE', Buffer.concat([...encodeTree(tree)])));
  const body = Buffer.concat(parts);
  return Buffer.concat([body, createHash('sha1').update(body).digest()]);
}

function encodeEntry({ path, mode, oid, size }: IndexEntry, mtime: number): Buffer {
  // Padded with 1 to 8 NULs to a multiple of eight.
  const entry = Buffer.alloc((FIXED_BYTES + path.length + 8) & ~7);
  // ctime, dev, ino, uid and gid stay 0: they can't be known before extraction, and git is told by
  // `core.checkStat` and `core.trustctime` not to look at them.
  if (mode !== FileMode.gitlink) entry.writeUInt32BE(mtime, 8);
  entry.writeUInt32BE(mode, 24);
  entry.writeUInt32BE(size % 2 ** 32, 36);
  entry.write(oid, 40, OID_BYTES, 'hex');
  entry.writeUInt16BE(Math.min(path.length, NAME_LENGTH_MASK), 60);
  entry.write(path, FIXED_BYTES, 'latin1');
  return entry;
}

function* encodeTree(tree: CachedTree): Generator<Buffer> {
  yield Buffer.from(`${tree.name}\0${tree.entries} ${tree.subtrees.length}\n`, 'latin1');
  yield Buffer.from(tree.oid, 'hex');
  for (const subtree of tree.subtrees) yield* encodeTree(subtree);
}

function extension(signature: string, content: Buffer): Buffer {
  const header = Buffer.alloc(8);
  header.write(signature, 0, 'latin1');
  header.writeUInt32BE(content.length, 4);
  return Buffer.concat([header, content]);
}
