import { ObjectSet } from '../pack/object-set.js';
import { CommitQueue } from './commit-queue.js';
import { type Commit, type CommitReader, NO_TREE } from './commit-reader.js';
import { NumberList } from './number-list.js';

/*
 * The commits that can be reached from included tips but not from excluded ones, as
 * `git rev-list A ^B` finds them.
 *
 * A queue yields the newest commit first. Its parents are then queued as included, or as excluded,
 * which wins. The walk ends when no included commit is queued, and all excluded ones are older than
 * each included one. Invariants: every commit that can be reached from an included tip is listed or
 * excluded; every excluded commit can be reached from an excluded tip. So the walk may list too
 * many commits, if commits are dated before their parents or very many tips are excluded, but never
 * too few. Memory: 25 bytes for each listed commit, two bits for each object of the reader.
 */

/** More excluded tips are read only after `FEW_COMMITS` commits: most walks end earlier. */
const FEW_TIPS = 10_000;
const FEW_COMMITS = 1024;

/** The commits of a walk, as columns of numbers. */
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

  *parents(index: number): Generator<number> {
    const end = index + 1 < this.length ? this.#starts.at(index + 1) : this.#parents.length;
    for (let at = this.#starts.at(index); at < end; at++) yield this.#parents.at(at);
  }
}

/**
 * @param tips numbers of commits.
 * @param excluded gets the excluded commits that the walk finds.
 * @returns commits, the newest first, with some that are excluded.
 * @throws SnapshotError `UPSTREAM_INVALID` for a missing or malformed commit; the signal's reason.
 */
export function walkCommits(
  reader: CommitReader,
  tips: { readonly include: readonly number[]; readonly exclude: readonly number[] },
  excluded: ObjectSet,
  signal: AbortSignal | undefined,
): CommitList {
  const { include, exclude } = tips;
  const commits = new CommitList();
  const seen = new ObjectSet(reader.objects.objectCount);
  const queue = new CommitQueue();
  const queued = new Map<number, Commit>();
  /** How many commits in the queue are not excluded. */
  let included = 0;
  /** The time of the oldest listed commit. */
  let oldest = Number.POSITIVE_INFINITY;

  const enqueue = (commit: Commit) => {
    queue.push(commit);
    queued.set(commit.number, commit);
  };
  const markExcluded = (number: number) => {
    seen.add(number);
    return excluded.add(number);
  };
  const excludeCommit = (number: number) => {
    if (!markExcluded(number)) return;
    // A commit that was listed goes through the queue again, so that its parents are excluded too.
    if (queued.has(number)) included--;
    else enqueue(reader.read(number));
  };
  /** Returns the commit's tree. */
  const includeCommit = (number: number): number => {
    const commit = queued.get(number) ?? reader.read(number);
    if (seen.add(number)) {
      enqueue(commit);
      included++;
    }
    return commit.tree;
  };

  const isMany = exclude.length > FEW_TIPS;
  for (const number of exclude) {
    if (isMany) markExcluded(number);
    else excludeCommit(number);
  }
  for (const number of include) {
    signal?.throwIfAborted();
    includeCommit(number);
  }
  for (let steps = 0; ; steps++) {
    const commit = queue.first;
    if (commit === undefined || (included === 0 && commit.committedAt < oldest)) return commits;
    queue.pop();
    queued.delete(commit.number);
    const parents = commit.parents.map((oid) => reader.objects.requireNumber(oid));
    if (excluded.has(commit.number)) {
      for (const parent of parents) excludeCommit(parent);
    } else {
      included--;
      oldest = Math.min(oldest, commit.committedAt);
      const [parentTree = NO_TREE] = parents.map(includeCommit);
      commits.push(commit, parents, parentTree);
    }
    signal?.throwIfAborted(); // one commit may take as long as thousands of others
    if (isMany && steps === FEW_COMMITS) {
      for (const number of exclude) enqueue(reader.read(number));
    }
  }
}

/**
 * The commits that are less than `depth` steps away from the nearest tip, as `git clone --depth`
 * gets them. Parents beyond these are not read; `shallow` is as in `ReachableObjects`.
 *
 * @param tips numbers of commits.
 * @param depth at least 1.
 * @throws SnapshotError `UPSTREAM_INVALID` for a missing or malformed commit; the signal's reason.
 */
export function walkShallow(
  reader: CommitReader,
  tips: Iterable<number>,
  depth: number,
  signal: AbortSignal | undefined,
): { commits: CommitList; shallow: string[] } {
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
