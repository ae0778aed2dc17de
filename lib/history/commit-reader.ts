import { SnapshotError } from '../errors.js';
import { parseCommit } from '../git/commit.js';
import { ObjectType } from '../git/object.js';
import type { ObjectReader } from '../pack/reader.js';

/** A commit, by numbers of the reader's objects. */
export interface Commit {
  readonly number: number;
  readonly tree: number;
  /** Ids, 20 bytes each. A walk that goes on to a parent checks that it is there. */
  readonly parents: readonly Buffer[];
  /** Seconds since the epoch. */
  readonly committedAt: number;
}

/** Stands for no tree. */
export const NO_TREE = 0xffff_ffff;

const LARGE_COMMIT_BYTES = 64 * 1024;

/**
 * Reads commits for one walk. It remembers large ones: a message may have hundreds of megabytes,
 * and would be inflated again for each child of the commit.
 */
export class CommitReader {
  readonly objects: ObjectReader;
  readonly #large = new Map<number, Commit>();

  constructor(objects: ObjectReader) {
    this.objects = objects;
  }

  /** @throws SnapshotError `UPSTREAM_INVALID` when it is not a commit, or its tree is missing. */
  read(number: number): Commit {
    const known = this.#large.get(number);
    if (known !== undefined) return known;
    const { type, data } = this.objects.readNumber(number);
    if (type !== ObjectType.commit) {
      throw new SnapshotError('UPSTREAM_INVALID', `${this.objects.oidOf(number)} is not a commit`);
    }
    const { tree, parents, committedAt } = parseCommit(data);
    const commit = { number, tree: this.objects.requireNumber(tree), parents, committedAt };
    if (data.length > LARGE_COMMIT_BYTES) this.#large.set(number, commit);
    return commit;
  }
}
