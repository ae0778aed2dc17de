import { SnapshotError } from '../errors.js';
import { parseCommitLinks } from '../git/commit-links.js';
import { ObjectType } from '../git/object.js';
import type { ObjectReader } from '../pack/reader.js';

/** A commit, by numbers of the reader's objects. */
export interface Commit {
  readonly number: number;
  readonly tree: number;
  /** Ids, 20 bytes each: whether they are there is for whoever goes on to them. */
  readonly parents: readonly Buffer[];
  /** Seconds since the epoch. */
  readonly committedAt: number;
}

/** Stands for no tree. */
export const NO_TREE = 0xffff_ffff;

/** @throws SnapshotError `UPSTREAM_INVALID` when it is no commit, or its tree is missing. */
export function readCommit(reader: ObjectReader, number: number): Commit {
  const { type, data } = reader.readNumber(number);
  if (type !== ObjectType.commit) {
    throw new SnapshotError('UPSTREAM_INVALID', `${reader.oidOf(number)} is not a commit`);
  }
  const { tree, parents, committedAt } = parseCommitLinks(data);
  return { number, tree: reader.requireNumber(tree), parents, committedAt };
}
