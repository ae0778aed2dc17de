import { type EntryPlace, isDirectory, placeEntry } from '../git/tree.js';

/** Mode, space, name, NUL and id. */
const MIN_ENTRY_BYTES = 24;
const SLASH = 0x2f;

/**
 * A tree in the order of git's index: a directory sorts as if its name ended with a slash.
 *
 * @returns the same buffer when nothing changes, as with trees that git wrote.
 * @throws SnapshotError `UPSTREAM_INVALID` when it is malformed.
 */
export function inIndexOrder(tree: Buffer): Buffer {
  let previous: EntryPlace | undefined;
  for (let at = 0; at < tree.length; ) {
    const entry = placeEntry(tree, at);
    if (previous !== undefined && byFullPath(tree, previous, entry) > 0) {
      return sortEntries(tree, () => true, byFullPath);
    }
    previous = entry;
    at = entry.end;
  }
  return tree;
}

/** The directories in a tree, in the order of git's cached tree. */
export function subtreesInCacheOrder(tree: Buffer): Buffer {
  return sortEntries(tree, isDirectory, byLengthThenName);
}

/** Takes the memory of a second tree, and four bytes an entry. */
function sortEntries(
  tree: Buffer,
  keeps: (entry: EntryPlace) => boolean,
  compare: (tree: Buffer, a: EntryPlace, b: EntryPlace) => number,
): Buffer {
  const starts = new Uint32Array(Math.floor(tree.length / MIN_ENTRY_BYTES));
  let count = 0;
  let bytes = 0;
  for (let at = 0; at < tree.length; ) {
    const entry = placeEntry(tree, at);
    if (keeps(entry)) {
      starts[count++] = at;
      bytes += entry.end - at;
    }
    at = entry.end;
  }
  const kept = starts.subarray(0, count);
  kept.sort((a, b) => compare(tree, placeEntry(tree, a), placeEntry(tree, b)));
  const sorted = Buffer.allocUnsafe(bytes);
  let length = 0;
  for (const start of kept) {
    length += tree.copy(sorted, length, start, placeEntry(tree, start).end);
  }
  return sorted;
}

function byFullPath(tree: Buffer, a: EntryPlace, b: EntryPlace): number {
  const aBytes = a.nameEnd - a.nameAt;
  const bBytes = b.nameEnd - b.nameAt;
  const common = Math.min(aBytes, bBytes);
  let i = 0;
  while (i < common && tree[a.nameAt + i] === tree[b.nameAt + i]) i++;
  const next = (entry: EntryPlace) => {
    const at = entry.nameAt + i;
    return at < entry.nameEnd ? tree.readUInt8(at) : isDirectory(entry) ? SLASH : 0;
  };
  return next(a) - next(b) || aBytes - bBytes;
}

function byLengthThenName(tree: Buffer, a: EntryPlace, b: EntryPlace): number {
  const aBytes = a.nameEnd - a.nameAt;
  const bBytes = b.nameEnd - b.nameAt;
  return aBytes - bBytes || tree.compare(tree, b.nameAt, b.nameEnd, a.nameAt, a.nameEnd);
}
