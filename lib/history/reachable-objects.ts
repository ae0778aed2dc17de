import { ObjectSet } from '../pack/object-set.js';
import type { ObjectReader } from '../pack/reader.js';
import type { CommitList } from './commit-list.js';
import { CommitReader, NO_TREE } from './commit-reader.js';
import { COMMITS_AT_ONCE, walkCommits } from './commit-walk.js';
import { walkShallow } from './shallow-walk.js';
import { resolveTips, type Tips } from './tips.js';
import { TreeWalk } from './tree-walk.js';

/*
 * All objects that can be reached from some and not from others, as `git rev-list --objects A ^B`
 * finds them.
 *
 * The oldest commit comes first. Its tree is compared with that of its first parent, and only what differs
 * is looked at: all that the parent's tree holds has been found by then, or is excluded. When commits are
 * dated before their parents, the tree that was walked last takes the parent's place, which costs more and
 * changes nothing. Of excluded commits only those are looked at where the walk of commits
 * ended, so that the result may hold more than is needed (a file that was once excluded, was deleted and
 * came back), never less.
 */

/**
 * Excluded tips whose trees are looked at even if history does not lead to them: with one that was pushed
 * away much is in common. A repository may have thousands.
 */
const EXCLUDED_TREES = 8;

export interface ReachableOptions {
  /** Ids of any objects, 40 hex digits each. */
  readonly include: Iterable<string>;
  /** The same. Not together with `depth`. */
  readonly exclude?: Iterable<string> | undefined;
  /** Only commits less than so many steps away from the nearest of `include`. Default: all. */
  readonly depth?: number | undefined;
  /** Looked at now and then: a walk takes the thread. */
  readonly signal?: AbortSignal | undefined;
}

export interface ReachableObjects {
  readonly objects: ObjectSet;
  /** The ids (40 hex digits) of commits whose parents `depth` left out, in the order of `.git/shallow`. */
  readonly shallow: readonly string[];
}

/**
 * A complete answer means that nothing is missing: this is a connectivity check as well. Contents are not
 * hashed again, and blobs are not read.
 *
 * @throws SnapshotError `UPSTREAM_INVALID` when an object is missing or malformed; the signal's reason.
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
  let commits: CommitList;
  let shallow: readonly string[] = [];
  if (depth === undefined) {
    const starts = { include: tips.commits, exclude: excludedTips.commits };
    commits = walkCommits(commitReader, { ...starts, excluded, signal });
  } else {
    ({ commits, shallow } = walkShallow(commitReader, tips.commits, depth, signal));
  }

  excludeTrees(commitReader, excluded, excludedTips, commits);
  for (const number of tips.tags) if (!excluded.has(number)) objects.add(number);
  for (const number of tips.blobs) if (!excluded.has(number)) objects.add(number);
  const walk = new TreeWalk(reader, objects, excluded);
  let latest = NO_TREE;
  for (let i = commits.length - 1; i >= 0; i--) {
    if (i % COMMITS_AT_ONCE === 0) signal?.throwIfAborted();
    if (excluded.has(commits.number(i))) continue;
    objects.add(commits.number(i));
    const parentTree = commits.parentTree(i);
    walk.add(commits.tree(i), walk.has(parentTree) ? parentTree : latest);
    latest = commits.tree(i);
  }
  for (const tree of tips.trees) walk.add(tree, latest);
  return { objects, shallow };
}

/** Adds what the first tips and the last excluded commits before included ones hold. */
function excludeTrees(
  reader: CommitReader,
  excluded: ObjectSet,
  tips: Tips,
  commits: CommitList,
): void {
  const walk = new TreeWalk(reader.objects, excluded);
  let latest = NO_TREE;
  const exclude = (tree: number) => {
    walk.add(tree, latest);
    latest = tree;
  };
  for (const number of tips.commits.slice(0, EXCLUDED_TREES)) {
    exclude(reader.read(number).tree);
  }
  for (const tree of tips.trees) exclude(tree);
  for (const number of [...tips.tags, ...tips.blobs]) excluded.add(number);
  for (let i = 0; i < commits.length; i++) {
    if (excluded.has(commits.number(i))) continue;
    for (const parent of commits.parents(i)) {
      if (excluded.has(parent)) exclude(reader.read(parent).tree);
    }
  }
}
