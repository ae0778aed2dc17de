import type { BigIntStats } from 'node:fs';
import { FileMode } from '../../checkout/git-index.js';
import type { Index, IndexedFile } from '../../checkout/read-index.js';
import { folded } from '../collisions.js';
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
  const names = new FoldedNames(index, tree);
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
    } else {
      const found = staged ?? names.find(path, stats);
      if (found !== undefined ? isLost(path, found, file) : !tree.has(path, file, after)) {
        conflicts.add(path);
      }
    }
  });
  return [...conflicts].sort();
}

/**
 * Finds files of the index by other names, where case is ignored. A commit that renames `readme` to
 * `README` would otherwise find its new file in the way, as if it were untracked.
 */
class FoldedNames {
  readonly #index: Index;
  readonly #tree: WorkingTree;
  #files: Map<string, IndexedFile> | undefined;

  constructor(index: Index, tree: WorkingTree) {
    this.#index = index;
    this.#tree = tree;
  }

  /** @param stats of the path: it must be the same file. */
  find(path: string, stats: BigIntStats): IndexedFile | undefined {
    if (!this.#tree.ignoresCase) return undefined;
    this.#files ??= new Map([...this.#index.files].map(([name, file]) => [folded(name), file]));
    const file = this.#files.get(folded(path));
    const found = file && this.#tree.look(file.path);
    if (found === undefined) return undefined;
    // In FUSE, each name has an inode number of its own.
    const isSame = found.ino === stats.ino && found.dev === stats.dev;
    return isSame || !this.#tree.isListed(path) ? file : undefined;
  }
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
