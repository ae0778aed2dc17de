import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Index, serializeIndex } from '../../checkout/read-index.js';
import { type Place, placesIn } from '../file-system.js';
import type { UnpackOptions } from '../unpack-options.js';
import type { Checkout } from './checkout.js';
import { changedPaths } from './errors.js';
import { applyChanges, stageFiles } from './file-changes.js';
import { FileContent } from './file-content.js';
import { findConflicts, findRepositories } from './find-conflicts.js';
import type { LocalObjects } from './local-objects.js';
import { planFastForward, planReset, type UpdatePlan } from './plan-update.js';
import { type TreeFile, treeChanges } from './tree-changes.js';
import { WorkingTree } from './working-tree.js';

export interface UpdateFilesOptions extends UnpackOptions {
  /** Whether local changes are given up, as by `git reset --hard`. */
  readonly force: boolean;
  /** Called for each file that is written. */
  readonly onFile: () => void;
  readonly signal: AbortSignal | undefined;
}

interface FileUpdate {
  readonly objects: LocalObjects;
  readonly index: Index;
  /** When the index was written, in seconds since the epoch. */
  readonly indexedAt: bigint;
  /** Ids of the trees of two commits; `undefined`: none. */
  readonly before: string | undefined;
  readonly after: string | undefined;
  /** An empty directory of the same file system. */
  readonly scratch: string;
  /** Called at last before the working tree changes. Its failure ends the update. */
  readonly confirm: () => Promise<void>;
}

export interface FileUpdateResult {
  /** Files and symlinks that were written or removed. */
  readonly files: number;
  readonly skipped: readonly string[];
  /** Path of the new index, in the scratch directory. */
  readonly index: string;
}

/**
 * Brings the files of a checkout from one commit to another. Until all new files are written beside,
 * nothing in the working tree changes. The caller holds the index's lock, and then puts the new
 * index into its place.
 *
 * A program or person may change files while new ones are written: they are looked at once more.
 *
 * @throws SnapshotError `LOCAL_CHANGES`, `NAME_UNSUPPORTED`, `ARCHIVE_INVALID`, `LIMIT_EXCEEDED`
 */
export async function updateFiles(
  { directory, gitDirectory, config }: Checkout,
  update: FileUpdate,
  options: UpdateFilesOptions,
): Promise<FileUpdateResult> {
  const { objects, index, indexedAt, scratch, confirm } = update;
  const place = placesIn(directory);
  const ownAttributes: Place = join(gitDirectory, 'info/attributes');
  const sources = { objects, config, place, ownAttributes };
  const before = new FileContent(index.files, sources);
  const tree = new WorkingTree({ place, config, indexedAt });
  const { signal } = options;
  const isUnchanged = (path: string) => {
    const staged = index.files.get(path);
    return staged !== undefined && tree.isUnchanged(staged, before);
  };
  const plan = options.force
    ? await planReset(index, await filesOf(objects, update.after, options), isUnchanged, signal)
    : await planFastForward(index, treeChanges(objects, update.before, update.after, options));
  const next = new Map<string, TreeFile>(index.files);
  for (const path of [...plan.removals, ...plan.forgotten]) next.delete(path);
  for (const [path, file] of plan.writes) next.set(path, file);
  const after = new FileContent(next, sources);
  const refuseConflicts = async (now: WorkingTree) => {
    const conflicts = options.force
      ? findRepositories(plan, now)
      : await findConflicts(plan, index, now, { before, after }, signal);
    if (conflicts.length > 0) throw changedPaths(conflicts);
  };
  await refuseConflicts(tree);

  const staging = join(scratch, 'files');
  await mkdir(staging);
  const staged = await stageFiles(plan, tree, { ...options, content: after, directory: staging });
  await confirm();
  const latest = new WorkingTree({ place, config, indexedAt });
  await refuseConflicts(latest);
  signal?.throwIfAborted();
  const entries = applyChanges(plan, staged, latest, options.force);
  return {
    files: entries.length + plan.removals.size,
    skipped: staged.skipped.map((path) => Buffer.from(path, 'latin1').toString()),
    index: await writeIndex(index, plan, entries, scratch),
  };
}

/** All files of a tree, by path. */
async function filesOf(
  objects: LocalObjects,
  tree: string | undefined,
  options: UpdateFilesOptions,
): Promise<Map<string, TreeFile>> {
  const files = new Map<string, TreeFile>();
  for await (const { path, after } of treeChanges(objects, undefined, tree, options)) {
    if (after !== undefined) files.set(path, after);
  }
  return files;
}

async function writeIndex(
  { files }: Index,
  { removals, forgotten }: UpdatePlan,
  entries: ReturnType<typeof applyChanges>,
  scratch: string,
): Promise<string> {
  const next = new Map(files);
  for (const path of [...removals, ...forgotten]) next.delete(path);
  for (const entry of entries) next.set(entry.path, entry);
  const path = join(scratch, 'index');
  await writeFile(path, serializeIndex(next.values()));
  return path;
}
