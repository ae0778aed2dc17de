import { ObjectSet } from '../pack/object-set.js';
import { CommitList } from './commit-list.js';
import { type Commit, type CommitReader, NO_TREE } from './commit-reader.js';

/** The latest part of a history. */
export interface ShallowHistory {
  readonly commits: CommitList;
  /**
   * The ids (40 hex digits) of commits whose parents are left out, in the order of `.git/shallow`.
   */
  readonly shallow: readonly string[];
}

/**
 * The commits that are less than `depth` steps away from the nearest tip, as `git clone --depth`
 * gets them. Parents beyond these are not read.
 *
 * @param tips numbers of commits.
 * @param depth at least 1.
 * @throws SnapshotError `UPSTREAM_INVALID` when a commit is missing or malformed; the signal's
 * reason.
 */
export function walkShallow(
  reader: CommitReader,
  tips: Iterable<number>,
  depth: number,
  signal?: AbortSignal,
): ShallowHistory {
  const { objects } = reader;
  const commits = new CommitList();
  const shallow: string[] = [];
  const seen = new ObjectSet(objects.objectCount);
  let level: Commit[] = [];
  for (const tip of tips) {
    signal?.throwIfAborted();
    if (seen.add(tip)) level.push(reader.read(tip));
  }
  for (let distance = 0; level.length > 0; distance++) {
    const next: Commit[] = [];
    for (const commit of level) {
      signal?.throwIfAborted();
      if (distance === depth - 1) {
        commits.push(commit, [], NO_TREE);
        shallow.push(objects.oidOf(commit.number));
        continue;
      }
      const parents = commit.parents.map((oid) => reader.read(objects.requireNumber(oid)));
      for (const parent of parents) if (seen.add(parent.number)) next.push(parent);
      const numbers = parents.map(({ number }) => number);
      commits.push(commit, numbers, parents[0]?.tree ?? NO_TREE);
    }
    level = next;
  }
  return { commits, shallow: shallow.sort() };
}
