import { SnapshotError } from '../errors.js';
import { ObjectType } from '../git/object.js';
import { verifyPath } from '../git/path-safety.js';
import { parseTree, type TreeEntry } from '../git/tree.js';
import type { ObjectReader } from '../pack/reader.js';
import type { AttributeRules } from './attributes.js';
import { readBlob } from './blob.js';
import type { CachedTree } from './git-index.js';

/*
 * The walk over HEAD's tree that decides what a checkout holds, in the order of git's index.
 */

/** A file, symlink or submodule to be checked out, or a directory that holds some. */
export interface CheckoutEntry extends TreeEntry {
  /** From the root, without slash at either end. Bytes as latin1. */
  readonly path: string;
  /** The attributes that hold in its directory. */
  readonly rules: AttributeRules;
}

export type Visit = (entry: CheckoutEntry) => void;

/** Linux's PATH_MAX and NAME_MAX: longer ones can't be created, by git's checkout either. */
const MAX_PATH_BYTES = 4095;
const MAX_NAME_BYTES = 255;

const ATTRIBUTES_FILE = '.gitattributes';

/**
 * Visits every entry below a tree. Directories come before what is in them, and only if that is
 * anything: git's checkout makes no empty ones.
 *
 * @param maxEntries how many files and directories there may be.
 * @returns the tree as the index caches it; `undefined` when it holds directories without files, which
 * an index can't represent.
 * @throws SnapshotError `REPOSITORY_INVALID` for names that git refuses to check out,
 * `UPSTREAM_INVALID` for missing or malformed trees, `LIMIT_EXCEEDED`.
 */
export function walkTree(
  reader: ObjectReader,
  oid: string,
  rules: AttributeRules,
  maxEntries: number,
  visit: Visit,
): CachedTree | undefined {
  const walk = new TreeWalk(reader, maxEntries, visit);
  const root = walk.directory('', oid, rules);
  return walk.sawEmptyDirectory ? undefined : root;
}

class TreeWalk {
  sawEmptyDirectory = false;
  readonly #reader: ObjectReader;
  readonly #maxEntries: number;
  readonly #visit: Visit;
  /** Directories on the path that no file was found in yet. */
  readonly #unvisited: CheckoutEntry[] = [];
  #entries = 0;

  constructor(reader: ObjectReader, maxEntries: number, visit: Visit) {
    this.#reader = reader;
    this.#maxEntries = maxEntries;
    this.#visit = visit;
  }

  /**
   * Recursion is bounded by the length of a path.
   *
   * @param path with a slash at its end; empty for the root.
   */
  directory(path: string, oid: string, inherited: AttributeRules): CachedTree {
    const entries = this.#read(path, oid);
    const rules = this.#rules(path, entries, inherited);
    const subtrees: CachedTree[] = [];
    let files = 0;
    for (const entry of entries) {
      const { name, kind, executable } = entry;
      const found = { name, kind, executable, oid: entry.oid, path: path + name, rules };
      if (entry.kind !== 'directory') {
        if (this.#unvisited.length > 0) {
          for (const directory of this.#unvisited.splice(0)) this.#visit(directory);
        }
        this.#visit(found);
        files++;
        continue;
      }
      this.#unvisited.push(found);
      const subtree = this.directory(`${found.path}/`, entry.oid, rules);
      subtrees.push({ ...subtree, name: entry.name });
      files += subtree.entries;
      if (this.#unvisited.at(-1) === found) {
        this.#unvisited.pop();
        this.sawEmptyDirectory = true;
      }
    }
    return { name: '', oid, entries: files, subtrees: subtrees.sort(byLengthThenName) };
  }

  #read(path: string, oid: string): TreeEntry[] {
    const { type, data } = this.#reader.read(oid);
    if (type !== ObjectType.tree) throw new SnapshotError('UPSTREAM_INVALID', `${oid} is no tree`);
    const entries = parseTree(data, this.#maxEntries - this.#entries);
    this.#entries += entries.length;
    const seen = new Set<string>();
    for (const { name, kind } of entries) {
      if (name.includes('/')) throw refused(path, name, 'has a slash in its name');
      const refusal = verifyPath(path + name, kind === 'symlink');
      if (refusal !== undefined) throw refused(path, name, refusal);
      if (seen.has(name)) throw refused(path, name, 'is there twice');
      seen.add(name);
      if (name.length > MAX_NAME_BYTES || path.length + name.length > MAX_PATH_BYTES) {
        throw refused(path, name, 'is too long');
      }
    }
    return isInIndexOrder(entries) ? entries : entries.sort(byIndexOrder);
  }

  #rules(path: string, entries: readonly TreeEntry[], inherited: AttributeRules): AttributeRules {
    // A checkout reads attributes from the index, where git does not tell files and symlinks apart.
    const file = entries.find(({ name, kind }) => {
      return name === ATTRIBUTES_FILE && (kind === 'file' || kind === 'symlink');
    });
    return file === undefined ? inherited : inherited.child(path, readBlob(this.#reader, file.oid));
  }
}

/** As every tree is that git wrote. */
function isInIndexOrder(entries: readonly TreeEntry[]): boolean {
  let previous = '';
  for (const entry of entries) {
    const name = sortName(entry);
    if (name < previous) return false;
    previous = name;
  }
  return true;
}

/** The order of full paths: a directory sorts as if its name ended with a slash. */
function byIndexOrder(a: TreeEntry, b: TreeEntry): number {
  const left = sortName(a);
  const right = sortName(b);
  return left < right ? -1 : left > right ? 1 : 0;
}

function sortName({ name, kind }: TreeEntry): string {
  return kind === 'directory' ? `${name}/` : name;
}

/** The order in which git keeps subtrees in its cached tree. */
function byLengthThenName(a: CachedTree, b: CachedTree): number {
  return a.name.length - b.name.length || (a.name < b.name ? -1 : 1);
}

function refused(path: string, name: string, why: string): SnapshotError {
  const shown = JSON.stringify(Buffer.from(path + name, 'latin1').toString());
  return new SnapshotError('REPOSITORY_INVALID', `the tree entry ${shown} ${why}`);
}
