import { ObjectSet } from '../pack/object-set.js';
import type { ObjectReader } from '../pack/reader.js';
import { CommitReader } from './commit-reader.js';
import { type CommitList, walkCommits, walkShallow } from './commit-walk.js';
import { resolveTips, type Tips } from './tips.js';
import { TreeWalk } from './tree-walk.js';

/*
 * All objects that can be reached from included tips but not from excluded ones, as
 * `git rev-list --objects A ^B` finds them.
 *
 * The oldest commit comes first. Its tree is compared with the tree of its first parent, and only
 * the differences are walked: all objects of the parent's tree were found before, or are excluded.
 * If a commit is dated before its parents, the tree that was walked last takes the parent's place:
 * that costs more, with the same result. Of excluded commits, few trees are read: those of parents
 * of included commits, and of a few tips. So the result may have too many objects (a file that was
 * excluded once, deleted, and added again), but never too few.
 */

/** Excluded tips whose trees are read: the tip before a forced push is much like the one after. */
const EXCLUDED_TREES = 8;

export interface ReachableOptions {
  /** Ids of any objects, 40 hex digits each. */
  readonly include: Iterable<string>;
  /** The same. Not together with `depth`. */
  readonly exclude?: Iterable<string> | undefined;
  /** Only commits less than `depth` steps away from the nearest of `include`. Default: all. */
  readonly depth?: number | undefined;
  /** Checked now and then: a walk is synchronous. */
  readonly signal?: AbortSignal | undefined;
}

export interface ReachableObjects {
  readonly objects: ObjectSet;
  /** Ids of commits whose parents `depth` left out, in the order of `.git/shallow`. */
  readonly shallow: readonly string[];
}

/**
 * Also a connectivity check: if it returns, no object is missing. It neither hashes contents again
 * nor reads blobs.
 *
 * @throws SnapshotError `UPSTREAM_INVALID` for a missing or malformed object; the signal's reason.
 */
export function reachableObjects(
  reader: ObjectReader,
  { include, exclude = [], depth, signal }: ReachableOptions,
): ReachableObjects {
  const tips = resolveTips(reader, include);
  const excludedTips = resolveTips(reader, exclude);
  const commitReader = new CommitReader(reader);
  const objects = new ObjectSet(reader.objectCount);
  const excluded = new ObjectSet(reader.objectCount);
  const starts = { include: tips.commits, exclude: excludedTips.commits };
  const { commits, shallow } =
    depth === undefined
      ? { commits: walkCommits(commitReader, starts, excluded, signal), shallow: [] }
      : walkShallow(commitReader, tips.commits, depth, signal);

  excludeTrees(commitReader, excluded, excludedTips, commits);
  for (const number of [...tips.tags, ...tips.blobs]) {
    if (!excluded.has(number)) objects.add(number);
  }
  const walk = new TreeWalk(reader, objects, excluded);
  for (let i = commits.length - 1; i >= 0; i--) {
    signal?.throwIfAborted();
    if (excluded.has(commits.numbers.at(i))) continue;
    objects.add(commits.numbers.at(i));
    walk.add(commits.trees.at(i), commits.parentTrees.at(i));
  }
  for (const tree of tips.trees) walk.add(tree);
  return { objects, shallow };
}

/** Excludes the objects of the first tips, and of excluded parents of included commits. */
function excludeTrees(
  reader: CommitReader,
  excluded: ObjectSet,
  tips: Tips,
  commits: CommitList,
): void {
  const walk = new TreeWalk(reader.objects, excluded);
  for (const number of tips.commits.slice(0, EXCLUDED_TREES)) walk.add(reader.read(number).tree);
  for (const tree of tips.trees) walk.add(tree);
  for (const number of [...tips.tags, ...tips.blobs]) excluded.add(number);
  for (let i = 0; i < commits.length; i++) {
    if (excluded.has(commits.numbers.at(i))) continue;
    for (const parent of commits.parents(i)) {
      if (excluded.has(parent)) walk.add(reader.read(parent).tree);
    }
  }
}
