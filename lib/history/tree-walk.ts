import { SnapshotError } from '../errors.js';
import { ObjectType } from '../git/object.js';
import { ObjectSet } from '../pack/object-set.js';
import type { ObjectReader } from '../pack/reader.js';
import { NO_TREE } from './commit-reader.js';
import { NumberList } from './number-list.js';
import { compareTrees, NOWHERE } from './tree-difference.js';

const EMPTY = Buffer.alloc(0);

/**
 * Bytes of trees to compare with: for each byte of an added tree, and at the start. Without this
 * budget, thousands of small trees could each be compared with one large tree.
 */
const COMPARED_SHARE = 4;
const COMPARED_BYTES = 16 * 1024 * 1024;

/** Adds trees and all objects in them to a set. Reads each tree once. */
export class TreeWalk {
  readonly #reader: ObjectReader;
  readonly #objects: ObjectSet;
  readonly #excluded: ObjectSet;
  /** Added trees that are still to be read, each followed by the tree to compare it with. */
  readonly #pending = new NumberList();
  /** Bytes of trees to compare with that may still be read. */
  #comparable = COMPARED_BYTES;
  /** The tree that was added last, so that one of the sets has it. */
  #latest = NO_TREE;

  /** @param excluded objects that are not added. If it has a tree, it has all objects in it. */
  constructor(reader: ObjectReader, objects: ObjectSet, excluded = new ObjectSet(0)) {
    this.#reader = reader;
    this.#objects = objects;
    this.#excluded = excluded;
  }

  /**
   * @param similar a tree to compare it with, if one of the sets has it; else the latest is used.
   * @throws SnapshotError `UPSTREAM_INVALID` for a malformed tree, or a missing object in it.
   */
  add(tree: number, similar = NO_TREE): void {
    const pending = this.#pending;
    this.#addTree(tree, this.#has(similar) ? similar : this.#latest);
    this.#latest = tree;
    for (;;) {
      const other = pending.pop();
      const next = pending.pop();
      if (other === undefined || next === undefined) return;
      const data = this.#read(next);
      // Without a tree to compare it with, all its entries are visited, with the same result.
      const otherData = other === NO_TREE || this.#comparable < 0 ? EMPTY : this.#read(other);
      this.#comparable += COMPARED_SHARE * data.length - otherData.length;
      compareTrees(data, otherData, (isDirectory, oidAt, otherOidAt) => {
        const number = this.#reader.requireNumber(data, oidAt);
        if (isDirectory) {
          const isAlone = otherOidAt === NOWHERE;
          const below = isAlone ? NO_TREE : this.#reader.requireNumber(otherData, otherOidAt);
          this.#addTree(number, below);
        } else if (!this.#excluded.has(number)) this.#objects.add(number);
      });
    }
  }

  /** Whether one of the sets has a tree, and so all objects in it. */
  #has(tree: number): boolean {
    return this.#objects.has(tree) || this.#excluded.has(tree);
  }

  #addTree(tree: number, other: number): void {
    if (this.#excluded.has(tree) || !this.#objects.add(tree)) return;
    this.#pending.push(tree);
    this.#pending.push(other);
  }

  #read(number: number): Buffer {
    const { type, data } = this.#reader.readNumber(number);
    if (type === ObjectType.tree) return data;
    throw new SnapshotError('UPSTREAM_INVALID', `${this.#reader.oidOf(number)} is not a tree`);
  }
}
