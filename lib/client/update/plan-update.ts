import { FileMode } from '../../checkout/git-index.js';
import type { Index } from '../../checkout/read-index.js';
import { inBatches } from '../in-batches.js';
import { isSame, type TreeChange, type TreeFile } from './tree-changes.js';

/** What an update does with the files of a checkout. Paths are bytes as latin1. */
export interface UpdatePlan {
  /** Files to write, by path. A submodule is only a directory. */
  readonly writes: ReadonlyMap<string, TreeFile>;
  /** Files to remove. */
  readonly removals: ReadonlySet<string>;
  /** Paths that leave the index, of which no file is removed. */
  readonly forgotten: ReadonlySet<string>;
  /** Paths whose staged changes the update would overwrite. */
  readonly conflicts: readonly string[];
}

/**
 * Merges two trees into the index: the table of git-read-tree(1), "Two Tree Merge". A path that the
 * update does not change keeps what is staged; so does one that is staged as the update has it.
 */
export async function planFastForward(
  index: Index,
  changes: AsyncIterable<TreeChange>,
): Promise<UpdatePlan> {
  const writes = new Map<string, TreeFile>();
  const removals = new Set<string>();
  const conflicts: string[] = [...index.unmerged];
  for await (const { path, before, after } of changes) {
    const staged = index.files.get(path);
    if (index.unmerged.has(path)) continue;
    if (staged === undefined) {
      // Deleted in the index: lost if the update changes the file, fine if it deletes it too.
      if (before !== undefined && after !== undefined) conflicts.push(path);
      else if (after !== undefined) writes.set(path, after);
    } else if (staged.intentToAdd) conflicts.push(path);
    else if (isSame(staged, before)) {
      if (after === undefined) removals.add(path);
      else writes.set(path, after);
    } else if (!isSame(staged, after)) conflicts.push(path);
  }
  return { writes, removals, forgotten: new Set(), conflicts };
}

/**
 * Makes index and files those of a tree, as `git reset --hard` does.
 *
 * @param tree all files of the tree.
 * @param isUnchanged whether a file of the working tree is as the index says.
 */
export async function planReset(
  index: Index,
  tree: ReadonlyMap<string, TreeFile>,
  isUnchanged: (path: string) => boolean,
  signal: AbortSignal | undefined,
): Promise<UpdatePlan> {
  const writes = new Map<string, TreeFile>();
  await inBatches(tree, signal, ([path, file]) => {
    const staged = index.files.get(path);
    const isKept = staged !== undefined && !staged.intentToAdd && isSame(staged, file);
    if (!isKept || !isUnchanged(path)) writes.set(path, file);
  });
  const removals = new Set<string>();
  const forgotten = new Set<string>();
  for (const path of [...index.files.keys(), ...index.unmerged]) {
    if (tree.has(path)) continue;
    // git keeps a submodule's directory if it has files.
    if (index.files.get(path)?.mode === FileMode.gitlink) forgotten.add(path);
    else removals.add(path);
  }
  return { writes, removals, forgotten, conflicts: [] };
}
