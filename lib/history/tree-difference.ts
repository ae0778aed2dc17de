import { OID_BYTES } from '../git/object.js';
import { DIRECTORY, malformedTree, TYPE_MASK } from '../git/tree.js';

/* Compares the bytes of trees without parsing their entries. */

const FILE = 0o100000;
const SYMLINK = 0o120000;

const SPACE = 0x20;
const SLASH = 0x2f;
/** Below this, a loop beats a call into native code. */
const SHORT = 64;
/** No position in a tree. */
export const NOWHERE = -1;

/**
 * Finds the entries of `tree` that `other` lacks in the same form, except gitlinks, even if names
 * are out of order.
 *
 * @param visit gets the position of each entry's id, and if both trees have a directory of its
 * name, the position of the id in `other`, else `NOWHERE`.
 * @throws SnapshotError `UPSTREAM_INVALID` when a tree is malformed.
 */
export function compareTrees(
  tree: Buffer,
  other: Buffer,
  visit: (isDirectory: boolean, oidAt: number, otherOidAt: number) => void,
): void {
  let at = 0;
  let otherAt = 0;
  const end = tree.length;
  const otherEnd = other.length;
  while (at < end) {
    // Nearly all entries are equal.
    const equal = equalEntries(tree, at, other, otherAt);
    at += equal;
    otherAt += equal;
    if (at === end) return;
    const oidAt = idStart(tree, at);
    const otherOidAt = otherAt < otherEnd ? idStart(other, otherAt) : NOWHERE;
    const order = otherOidAt === NOWHERE ? -1 : compareNames(tree, at, other, otherAt);
    if (order > 0) {
      otherAt = otherOidAt + OID_BYTES;
      continue;
    }
    const type = typeAt(tree, at);
    const isDirectory = type === DIRECTORY;
    if (isDirectory || type === FILE || type === SYMLINK) {
      const comparable = order === 0 && isDirectory && typeAt(other, otherAt) === DIRECTORY;
      visit(isDirectory, oidAt, comparable ? otherOidAt : NOWHERE);
    }
    at = oidAt + OID_BYTES;
    if (order === 0) otherAt = otherOidAt + OID_BYTES;
  }
}

/** How many bytes of whole entries are equal after two positions. */
function equalEntries(tree: Buffer, at: number, other: Buffer, otherAt: number): number {
  const end = at + equalBytes(tree, at, other, otherAt);
  if (end === tree.length) return end - at;
  // Ids may have any bytes, so the starts of entries can only be found from the front.
  for (let entry = at; ; ) {
    let to = entry;
    while (to < end && tree[to] !== 0) to++;
    to += 1 + OID_BYTES;
    if (to > end) return entry - at;
    entry = to;
  }
}

/** How many bytes are equal after two positions. */
function equalBytes(tree: Buffer, at: number, other: Buffer, otherAt: number): number {
  const areEqual = (from: number, to: number) =>
    tree.compare(other, otherAt + from, otherAt + to, at + from, at + to) === 0;
  let high = Math.min(tree.length - at, other.length - otherAt);
  let low = 0;
  if (areEqual(low, high)) return high;
  while (high - low > SHORT) {
    const middle = (low + high) >>> 1;
    if (areEqual(low, middle)) low = middle;
    else high = middle;
  }
  while (low < high && tree[at + low] === other[otherAt + low]) low++;
  return low;
}

/** The position of the id of the entry at `at`. */
function idStart(tree: Buffer, at: number): number {
  const nul = tree.indexOf(0, at);
  if (nul < 0 || nul + 1 + OID_BYTES > tree.length) throw malformedTree();
  return nul + 1;
}

/** The upper bits of an entry's mode. */
function typeAt(tree: Buffer, at: number): number {
  let mode = 0;
  let digits = 0;
  for (let to = at; ; to++) {
    const byte = tree[to];
    if (byte === SPACE && digits > 0) return mode & TYPE_MASK;
    if (byte === undefined || byte < 0x30 || byte > 0x37 || digits++ === 11) throw malformedTree();
    mode = (mode * 8 + byte - 0x30) % 2 ** 31;
  }
}

/** Compares the names of two entries, those of directories as if they ended with a slash. */
function compareNames(a: Buffer, aAt: number, b: Buffer, bAt: number): number {
  let i = a.indexOf(SPACE, aAt) + 1;
  let j = b.indexOf(SPACE, bAt) + 1;
  if (i === 0 || j === 0) throw malformedTree();
  while (a[i] === b[j] && a[i] !== 0) {
    i++;
    j++;
  }
  const left = a.readUInt8(i);
  const right = b.readUInt8(j);
  if (left === 0 && right === 0) return 0;
  const ending = (tree: Buffer, at: number) => (typeAt(tree, at) === DIRECTORY ? SLASH : 0);
  const next = left === 0 ? ending(a, aAt) : left;
  const otherNext = right === 0 ? ending(b, bAt) : right;
  return next - otherNext || left - right;
}
