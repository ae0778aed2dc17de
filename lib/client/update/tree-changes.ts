import { shownName } from '../../archive/entry-path.js';
import { FileMode } from '../../checkout/git-index.js';
import { limitExceeded } from '../../errors.js';
import { ObjectType } from '../../git/object.js';
import { MAX_PATH_BYTES, verifyPath } from '../../git/path-safety.js';
import { parseTree, type TreeEntry } from '../../git/tree.js';
import { invalidUpdate } from './errors.js';
import type { LocalObjects } from './local-objects.js';

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

/** How many entries the walks of an update may still read: few trees can name each other so often. */
export interface TreeLimit {
  entriesLeft: number;
}

/**
 * The paths in which two trees differ, in any order. Reads only directories that differ.
 *
 * @param before, after ids of trees; `undefined` for an empty one.
 * @throws SnapshotError `ARCHIVE_INVALID` for a name in `after` that git refuses to check out;
 * `LIMIT_EXCEEDED`.
 */
export function* treeChanges(
  objects: LocalObjects,
  before: string | undefined,
  after: string | undefined,
  limit: TreeLimit,
  prefix = '',
): Generator<TreeChange> {
  const old = entriesOf(objects, before);
  const next = entriesOf(objects, after);
  limit.entriesLeft -= next.size;
  if (limit.entriesLeft < 0) throw limitExceeded('maxEntries', 'the commit has too many entries');
  for (const [name, entry] of next) verifyEntry(prefix + name, entry);
  if (after !== undefined) refuseDuplicates(objects, after, prefix);
  for (const name of new Set([...old.keys(), ...next.keys()])) {
    const [a, b] = [old.get(name), next.get(name)];
    const fileBefore = toFile(a);
    const fileAfter = toFile(b);
    const path = prefix + name;
    if (!isSame(fileBefore, fileAfter)) yield { path, before: fileBefore, after: fileAfter };
    const [above, below] = [directoryOf(a), directoryOf(b)];
    if (above !== below) yield* treeChanges(objects, above, below, limit, `${path}/`);
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

function refuseDuplicates(objects: LocalObjects, tree: string, prefix: string): void {
  const names = new Set<string>();
  for (const { name } of parseTree(objects.readTyped(tree, ObjectType.tree))) {
    if (names.has(name)) throw refusedPath(prefix + name, 'is there twice');
    names.add(name);
  }
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
