import type { Commit } from './commit-reader.js';
import { NumberList } from './number-list.js';

/** The commits of a walk, as columns of numbers: about 25 bytes a commit. */
export class CommitList {
  readonly numbers = new NumberList();
  readonly trees = new NumberList();
  /** The tree of the first parent that the walk follows, or `NO_TREE`. */
  readonly parentTrees = new NumberList();
  /** Where the parents of each commit begin in the column of parents. */
  readonly #starts = new NumberList();
  readonly #parents = new NumberList();

  get length(): number {
    return this.numbers.length;
  }

  /** @param parents that the walk follows. */
  push({ number, tree }: Commit, parents: readonly number[], parentTree: number): void {
    this.numbers.push(number);
    this.trees.push(tree);
    this.parentTrees.push(parentTree);
    this.#starts.push(this.#parents.length);
    for (const parent of parents) this.#parents.push(parent);
  }

  /** The parents that the walk follows. */
  *parents(index: number): Generator<number> {
    const end = index + 1 < this.length ? this.#starts.at(index + 1) : this.#parents.length;
    for (let at = this.#starts.at(index); at < end; at++) yield this.#parents.at(at);
  }
}
