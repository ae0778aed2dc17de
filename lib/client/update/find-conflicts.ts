import { FileMode } from '../../checkout/git-index.js';
import type { Index, IndexedFile } from '../../checkout/read-index.js';
import { inBatches } from '../in-batches.js';
import type { FileContent } from './file-content.js';
import type { UpdatePlan } from './plan-update.js';
import type { TreeFile } from './tree-changes.js';
import type { WorkingTree } from './working-tree.js';

interface Contents {
  /** As the index is now. */
  readonly before: FileContent;
  /** As it will be. */
  readonly after: FileContent;
}

/**
 * The paths whose local changes a plan would overwrite: changed files, and untracked ones in the way.
 * A file that has the new content already is no conflict: an update that was killed left it.
 */
export async function findConflicts(
  plan: UpdatePlan,
  index: Index,
  tree: WorkingTree,
  { before, after }: Contents,
  signal: AbortSignal | undefined,
): Promise<string[]> {
  const conflicts = new Set(plan.conflicts);
  const { removals } = plan;
  const isLost = (path: string, staged: IndexedFile, next: TreeFile | undefined) => {
    if (tree.isUnchanged(staged, before)) return false;
    return next === undefined || !tree.has(path, next, after);
  };
  await inBatches(removals, signal, (path) => {
    const staged = index.files.get(path);
    const isFile = tree.look(path)?.isDirectory() === false;
    if (isFile && staged !== undefined && isLost(path, staged, undefined)) conflicts.add(path);
  });
  await inBatches(plan.writes, signal, ([path, file]) => {
    const blocker = tree.blockerOf(path);
    if (blocker !== undefined) {
      if (!removals.has(blocker)) conflicts.add(blocker);
      return;
    }
    const stats = tree.look(path);
    if (stats === undefined) return;
    const staged = index.files.get(path);
    if (stats.isDirectory()) {
      if (file.mode === FileMode.gitlink) return;
      for (const below of tree.below(path)) if (!removals.has(below)) conflicts.add(below);
    } else if (staged !== undefined ? isLost(path, staged, file) : !tree.has(path, file, after)) {
      conflicts.add(path);
    }
  });
  return [...conflicts].sort();
}

/** Repositories in the place of new files, as of a submodule: not even a forced update removes them. */
export function findRepositories({ writes }: UpdatePlan, tree: WorkingTree): string[] {
  const found: string[] = [];
  for (const [path, { mode }] of writes) {
    if (mode === FileMode.gitlink || tree.look(path)?.isDirectory() !== true) continue;
    for (const below of tree.below(path)) if (below.endsWith('/.git')) found.push(below);
  }
  return found;
}
