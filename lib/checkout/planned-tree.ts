import type { TreeEntry } from '../git/tree.js';
import { cachedTreeBytes } from './git-index.js';

const ATTRIBUTES_FILE = '.gitattributes';

/** What a checkout will hold. Memory: some hundred bytes for each tree, however often it is checked out. */
export interface CheckoutPlan {
  /** The id of the root. */
  readonly root: string;
  /** The root and all trees below, by id. */
  readonly trees: ReadonlyMap<string, Readonly<PlannedTree>>;
}

/**
 * What a tree adds to a checkout, at each place where it lies. Paths and their bytes count from the tree,
 * and sums are of all that is below it.
 */
export class PlannedTree {
  /** Files and directories, also directories that hold nothing. */
  entries = 0;
  /** What the index lists of them: files, symlinks and submodules. */
  files = 0;
  /** Bytes of the paths of all entries. */
  pathBytes = 0;
  /** Bytes of the longest of these paths. */
  longestPath = 0;
  /** Bytes of the files, as far as known without applying deltas. */
  fileBytes = 0;
  hasSymlink = false;
  /** Whether there is a directory without any file. */
  hasEmptyDirectory = false;
  /** Directories in the tree itself. */
  subtrees = 0;
  /** The object of its own `.gitattributes`. */
  attributes: string | undefined;
  /** Bytes that the index takes to cache all directories below. */
  #cachedBelow = 0;

  /** Bytes that the index takes to cache it and all directories below, without its own name. */
  get cachedBytes(): number {
    const { files, subtrees } = this;
    return cachedTreeBytes({ name: '', entries: files, subtrees }) + this.#cachedBelow;
  }

  /** @param bytes of the file, as far as known. */
  addFile({ name, kind, oid }: TreeEntry, bytes: number): void {
    this.#addName(name);
    this.files++;
    this.fileBytes += bytes;
    this.hasSymlink ||= kind === 'symlink';
    // A checkout reads attributes from the index, where git does not tell files and symlinks apart.
    if (name === ATTRIBUTES_FILE && kind !== 'gitlink') this.attributes = oid;
  }

  addDirectory(name: string, below: Readonly<PlannedTree>): void {
    this.#addName(name);
    const prefixBytes = name.length + 1;
    this.subtrees++;
    this.entries += below.entries;
    this.files += below.files;
    this.pathBytes += below.pathBytes + below.entries * prefixBytes;
    this.longestPath = Math.max(this.longestPath, below.longestPath + prefixBytes);
    this.fileBytes += below.fileBytes;
    this.hasSymlink ||= below.hasSymlink;
    this.hasEmptyDirectory ||= below.hasEmptyDirectory || below.files === 0;
    this.#cachedBelow += name.length + below.cachedBytes;
  }

  #addName(name: string): void {
    this.entries++;
    this.pathBytes += name.length;
    this.longestPath = Math.max(this.longestPath, name.length);
  }
}
