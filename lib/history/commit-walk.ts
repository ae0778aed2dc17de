import { ObjectSet } from '../pack/object-set.js';
import { CommitList } from './commit-list.js';
import { CommitQueue } from './commit-queue.js';
import { type Commit, type CommitReader, NO_TREE } from './commit-reader.js';

/*
 * The commits that can be reached from included tips but not from excluded ones, as `git rev-list A
 * ^B` finds them.
 *
 * A queue yields the newest commit first. Its parents are then queued with its colour: included, or
 * excluded, which wins. The walk ends when no included commit is queued, and all excluded ones are
 * older than each included one. Invariants: every commit that can be reached from an included tip
 * is listed or excluded; every excluded commit can be reached from an excluded tip. So the walk may
 * list too many commits, if commits are dated before their parents or very many tips are excluded,
 * but never too few. Memory: 25 bytes for each listed commit, two bits for each object of the
 * reader.
 */

/**
 * More excluded tips are read only after `FEW_COMMITS` commits: nearly always the walk ends
 * earlier.
 */
const FEW_TIPS = 10_000;
const FEW_COMMITS = 1024;

export interface CommitWalkOptions {
  /** Numbers of commits. */
  readonly include: Iterable<number>;
  readonly exclude?: readonly number[] | undefined;
  /** Gets the excluded commits that the walk finds. */
  readonly excluded: ObjectSet;
  readonly signal?: AbortSignal | undefined;
}

/**
 * @returns commits, the newest first. Ignore those that `excluded` has.
 * @throws SnapshotError `UPSTREAM_INVALID` when a commit is missing or malformed; the signal's
 * reason.
 */
export function walkCommits(reader: CommitReader, options: CommitWalkOptions): CommitList {
  const { include, exclude = [], excluded, signal } = options;
  const walk = new CommitWalk(reader, excluded);
  const isMany = exclude.length > FEW_TIPS;
  for (const number of exclude) {
    if (isMany) walk.mark(number);
    else walk.exclude(number);
  }
  for (const number of include) {
    signal?.throwIfAborted();
    walk.include(number);
  }
  for (let steps = 0; walk.step(); steps++) {
    signal?.throwIfAborted(); // one commit may take as long as thousands of others
    if (isMany && steps === FEW_COMMITS) for (const number of exclude) walk.enqueueMarked(number);
  }
  return walk.commits;
}

class CommitWalk {
  readonly commits = new CommitList();
  readonly #reader: CommitReader;
  readonly #seen: ObjectSet;
  readonly #excluded: ObjectSet;
  readonly #queue = new CommitQueue();
  /** The commits in the queue. */
  readonly #queued = new Map<number, Commit>();
  /** How many commits in the queue are not excluded. */
  #included = 0;
  /** The time of the oldest listed commit. */
  #oldest = Number.POSITIVE_INFINITY;

  constructor(reader: CommitReader, excluded: ObjectSet) {
    this.#reader = reader;
    this.#seen = new ObjectSet(reader.objects.objectCount);
    this.#excluded = excluded;
  }

  /** @returns the commit's tree. */
  include(number: number): number {
    const queued = this.#queued.get(number);
    if (queued !== undefined) return queued.tree;
    const commit = this.#reader.read(number);
    if (this.#seen.add(number)) {
      this.#enqueue(commit);
      this.#included++;
    }
    return commit.tree;
  }

  exclude(number: number): void {
    if (!this.#excluded.add(number)) return;
    this.#seen.add(number);
    // A commit that was listed goes through the queue again, so that its parents are excluded as
    // well.
    if (this.#queued.has(number)) this.#included--;
    else this.#enqueue(this.#reader.read(number));
  }

  /** Excludes a commit, but not its ancestors yet. Call it before `include`. */
  mark(number: number): void {
    this.#excluded.add(number);
    this.#seen.add(number);
  }

  /** Excludes the ancestors of a marked commit as well. */
  enqueueMarked(number: number): void {
    this.#enqueue(this.#reader.read(number));
  }

  /** Visits the next commit. @returns `false` when the walk is complete. */
  step(): boolean {
    const commit = this.#queue.first;
    if (commit === undefined) return false;
    if (this.#included === 0 && commit.committedAt < this.#oldest) return false;
    this.#queue.pop();
    this.#queued.delete(commit.number);
    const parents = commit.parents.map((oid) => this.#reader.objects.requireNumber(oid));
    if (this.#excluded.has(commit.number)) {
      for (const parent of parents) this.exclude(parent);
    } else {
      this.#included--;
      this.#oldest = Math.min(this.#oldest, commit.committedAt);
      const [parentTree = NO_TREE] = parents.map((parent) => this.include(parent));
      this.commits.push(commit, parents, parentTree);
    }
    return true;
  }

  #enqueue(commit: Commit): void {
    this.#queue.push(commit);
    this.#queued.set(commit.number, commit);
  }
}
