import type { TreeEntry } from '../git/tree.js';
import type { NumberList } from '../history/number-list.js';
import type { ObjectSet } from '../pack/object-set.js';
import { cachedTreeBytes } from './git-index.js';

/** Memory: a few hundred bytes a tree and four for each entry in it, however often it appears. */
export interface CheckoutPlan {
  readonly root: string;
  /** The root and all trees below, by id. */
  readonly trees: ReadonlyMap<string, Readonly<PlannedTree>>;
  /** The reader's numbers of all blobs, tree by tree. */
  readonly blobs: NumberList;
  /** The files that are converted, by their position in the index. */
  readonly converted: ObjectSet;
}

/**
 * A tree's part of a checkout, the same wherever the tree appears. Paths count from the tree; sums
 * include all entries below it.
 */
export class PlannedTree {
  /** Files and directories, empty ones included. */
  entries = 0;
  /** Entries of the index: files, symlinks and submodules. */
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
  /** The position in the plan's `blobs` of its own blobs, which are in index order. */
  readonly firstBlob: number;
  /** Directories in the tree itself. */
  subtrees = 0;
  /** Its `.gitattributes`, a file or a symlink: git reads it from the index, and takes either. */
  attributes: string | undefined;
  #cachedBelow = 0;

  constructor(firstBlob: number) {
    this.firstBlob = firstBlob;
  }

  /** Bytes of it and all directories below in the index's cached tree, without its own name. */
  get cachedBytes(): number {
    const { files, subtrees } = this;
    return cachedTreeBytes({ name: '', entries: files, subtrees }) + this.#cachedBelow;
  }

  add({ name, kind, oid }: TreeEntry, bytes: number): void {
    this.entries++;
    this.pathBytes += name.length;
    this.longestPath = Math.max(this.longestPath, name.length);
    if (kind === 'directory') {
      this.subtrees++;
      return;
    }
    this.files++;
    this.fileBytes += bytes;
    this.hasSymlink ||= kind === 'symlink';
    if (name === '.gitattributes' && kind !== 'gitlink') this.attributes = oid;
  }

  /** Adds a directory's content. */
  addBelow(name: string, below: Readonly<PlannedTree>): void {
    const prefixBytes = name.length + 1;
    this.entries += below.entries;
    this.files += below.files;
    this.pathBytes += below.pathBytes + below.entries * prefixBytes;
    this.longestPath = Math.max(this.longestPath, below.longestPath + prefixBytes);
    this.fileBytes += below.fileBytes;
    this.hasSymlink ||= below.hasSymlink;
    this.hasEmptyDirectory ||= below.hasEmptyDirectory || below.files === 0;
    this.#cachedBelow += name.length + below.cachedBytes;
  }
}
