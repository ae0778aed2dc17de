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

/** Commits with more bytes are kept. */
const LARGE_COMMIT_BYTES = 64 * 1024;

/** By number: a message may have hundreds of megabytes, and be inflated anew for each child that names it. */
const largeCommits = new WeakMap<ObjectReader, Map<number, Commit>>();

/** @throws SnapshotError `UPSTREAM_INVALID` when it is no commit, or its tree is missing. */
export function readCommit(reader: ObjectReader, number: number): Commit {
  const known = largeCommits.get(reader)?.get(number);
  if (known !== undefined) return known;
  const { type, data } = reader.readNumber(number);
  if (type !== ObjectType.commit) {
    throw new SnapshotError('UPSTREAM_INVALID', `${reader.oidOf(number)} is not a commit`);
  }
  const { tree, parents, committedAt } = parseCommitLinks(data);
  const commit = { number, tree: reader.requireNumber(tree), parents, committedAt };
  if (data.length > LARGE_COMMIT_BYTES) keepCommit(reader, commit);
  return commit;
}

function keepCommit(reader: ObjectReader, commit: Commit): void {
  const commits = largeCommits.get(reader) ?? new Map<number, Commit>();
  largeCommits.set(reader, commits.set(commit.number, commit));
}
