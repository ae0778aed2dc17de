import { ObjectSet } from '../pack/object-set.js';
import { CommitList } from './commit-list.js';
import { CommitQueue } from './commit-queue.js';
import { type Commit, type CommitReader, NO_TREE } from './commit-reader.js';

/*
 * The commits that can be reached from some and not from others, as `git rev-list A ^B` finds them.
 *
 * A queue gives the newest commit first, whose parents are then queued in its colour: included, or
 * excluded, which wins. The walk ends when no included commit is queued, nor an excluded one that is as
 * new as one that was included. Invariants: every commit that can be reached from an included one is
 * listed or excluded; whatever is excluded can be reached from an excluded one. So the walk may list too
 * much, when commits are dated before their parents or very many tips are excluded, and never too little.
 * Memory: 25 bytes for each commit that is listed, two bits for each object that there is.
 */

/** More excluded tips are not read before the walk has seen `FEW_COMMITS`: nearly always it ends at some of them. */
const FEW_TIPS = 10_000;
const FEW_COMMITS = 1024;

/** Commits between two looks at the signal. */
export const COMMITS_AT_ONCE = 1024;

export interface CommitWalkOptions {
  /** Numbers of commits. */
  readonly include: Iterable<number>;
  readonly exclude?: readonly number[] | undefined;
  /** Gets the commits that were found to be excluded. */
  readonly excluded: ObjectSet;
  readonly signal?: AbortSignal | undefined;
}

/**
 * @returns commits, the newest first: those to be left out that `excluded` has.
 * @throws SnapshotError `UPSTREAM_INVALID` when a commit is missing or malformed; the signal's reason.
 */
export function walkCommits(reader: CommitReader, options: CommitWalkOptions): CommitList {
  const { include, exclude = [], excluded, signal } = options;
  const walk = new CommitWalk(reader, excluded);
  const isMany = exclude.length > FEW_TIPS;
  for (const number of exclude) {
    if (isMany) walk.mark(number);
    else walk.exclude(number);
  }
  for (const number of include) walk.include(number);
  for (let steps = 0; walk.step(); steps++) {
    if (steps % COMMITS_AT_ONCE === 0) signal?.throwIfAborted();
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
  /** What is in the queue. */
  readonly #queued = new Map<number, Commit>();
  /** How many of them are not excluded. */
  #included = 0;
  /** Of the oldest commit that was listed. */
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
    // One that was listed before goes through the queue again, so that its parents are excluded as well.
    if (this.#queued.has(number)) this.#included--;
    else this.#enqueue(this.#reader.read(number));
  }

  /** Excludes a commit, and for now nothing that it leads to. Before anything is included. */
  mark(number: number): void {
    this.#excluded.add(number);
    this.#seen.add(number);
  }

  /** Excludes also what a marked commit leads to. */
  enqueueMarked(number: number): void {
    this.#enqueue(this.#reader.read(number));
  }

  /** Visits a commit. @returns `false` when that is not needed. */
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
