import { setImmediate } from 'node:timers/promises';
import { shownName } from '../../archive/entry-path.js';
import { FileMode } from '../../checkout/git-index.js';
import { limitExceeded } from '../../errors.js';
import { ObjectType } from '../../git/object.js';
import { MAX_PATH_BYTES, verifyPath } from '../../git/path-safety.js';
import { parseTree, type TreeEntry } from '../../git/tree.js';
import { invalidUpdate } from './errors.js';
import type { LocalObjects } from './local-objects.js';

/** Directories that are read before other work gets a turn. */
const BATCH = 64;

/** A file, symlink or submodule of a tree. */
export interface TreeFile {
  /** As `FileMode`. */
  readonly mode: number;
  readonly oid: string;
}

export interface TreeChange {
  /** Bytes as latin1. */
  readonly path: string;
  /** `undefined`: the tree has no file of this path. */
  readonly before: TreeFile | undefined;
  readonly after: TreeFile | undefined;
}

interface Directory {
  /** With a slash at its end; empty for the root. */
  readonly path: string;
  /** Ids of its trees; `undefined`: there is no such directory. */
  readonly before: string | undefined;
  readonly after: string | undefined;
}

interface TreeChangesOptions {
  /** The most files and directories that differ: a few small trees can stand for any number. */
  readonly maxEntries: number;
  readonly signal: AbortSignal | undefined;
}

/**
 * The paths in which two trees differ, in any order. Reads only directories that differ.
 *
 * @param before, after ids of trees; `undefined` for an empty one.
 * @throws SnapshotError `ARCHIVE_INVALID` for a name in `after` that git refuses to check out,
 * `LIMIT_EXCEEDED`; the signal's reason.
 */
export async function* treeChanges(
  objects: LocalObjects,
  before: string | undefined,
  after: string | undefined,
  { maxEntries, signal }: TreeChangesOptions,
): AsyncGenerator<TreeChange> {
  const pending: Directory[] = [{ path: '', before, after }];
  let left = maxEntries;
  let count = 0;
  for (let one = pending.pop(); one !== undefined; one = pending.pop()) {
    if (count++ % BATCH === 0) {
      await setImmediate();
      signal?.throwIfAborted();
    }
    const old = entriesOf(objects, one.before);
    const next = verifiedEntriesOf(objects, one);
    for (const name of new Set([...old.keys(), ...next.keys()])) {
      const path = one.path + name;
      const [a, b] = [old.get(name), next.get(name)];
      const change = { path, before: toFile(a), after: toFile(b) };
      const below = { path: `${path}/`, before: directoryOf(a), after: directoryOf(b) };
      const isChanged = !isSame(change.before, change.after);
      const isBelow = below.before !== below.after;
      if ((isChanged || isBelow) && left-- === 0) {
        throw limitExceeded('maxEntries', 'too many files change');
      }
      if (isChanged) yield change;
      if (isBelow) pending.push(below);
    }
  }
}

export function isSame(a: TreeFile | undefined, b: TreeFile | undefined): boolean {
  return a?.oid === b?.oid && a?.mode === b?.mode;
}

function entriesOf(objects: LocalObjects, tree: string | undefined): Map<string, TreeEntry> {
  if (tree === undefined) return new Map();
  const entries = parseTree(objects.readTyped(tree, ObjectType.tree));
  return new Map(Array.from(entries, (entry) => [entry.name, entry]));
}

/** @throws SnapshotError `ARCHIVE_INVALID` for names that git refuses to check out. */
function verifiedEntriesOf(
  objects: LocalObjects,
  { path, after }: Directory,
): Map<string, TreeEntry> {
  const entries = new Map<string, TreeEntry>();
  if (after === undefined) return entries;
  for (const entry of parseTree(objects.readTyped(after, ObjectType.tree))) {
    const { name } = entry;
    verifyEntry(path + name, entry);
    if (entries.has(name)) throw refusedPath(path + name, 'is there twice');
    entries.set(name, entry);
  }
  return entries;
}

function verifyEntry(path: string, { kind, name }: TreeEntry): void {
  const refusal = name.includes('/')
    ? 'has a slash in its name'
    : verifyPath(path, kind === 'symlink');
  if (refusal !== undefined) throw refusedPath(path, refusal);
  if (path.length > MAX_PATH_BYTES) throw refusedPath(path, 'is too long');
}

function refusedPath(path: string, why: string): Error {
  return invalidUpdate(`the commit's ${shownName(path)} ${why}`);
}

function toFile(entry: TreeEntry | undefined): TreeFile | undefined {
  if (entry === undefined || entry.kind === 'directory') return undefined;
  const { kind, executable, oid } = entry;
  return { mode: executable ? FileMode.executable : FileMode[kind], oid };
}

function directoryOf(entry: TreeEntry | undefined): string | undefined {
  return entry?.kind === 'directory' ? entry.oid : undefined;
}
