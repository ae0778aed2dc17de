import { access, mkdir, readdir, realpath, rm, rmdir } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { hasCode, SnapshotError } from '../errors.js';
import { isTemporaryName, removeAbandoned, temporaryName } from '../fs/temporary.js';
import { exists, renameToFree } from './file-system.js';
import { moveChildren } from './move-children.js';

export interface Target {
  /** Absolute, without symlinks. */
  readonly path: string;
  /** Whether it is an empty directory; otherwise there is nothing. */
  readonly exists: boolean;
}

/** A directory for a snapshot that is not complete yet. */
export interface Staging {
  /** Empty at first; only this user may enter it. */
  readonly path: string;
  /** Moves its content to the target. @throws SnapshotError `TARGET_NOT_EMPTY` */
  publish(): Promise<void>;
  /** Removes it, and the empty parents that were made for the target. */
  remove(): Promise<void>;
}

/**
 * Looks at the target, and removes what a killed process of this machine left in it.
 *
 * @throws SnapshotError `TARGET_NOT_EMPTY`; `INVALID_OPTIONS` when the name is too long.
 */
export async function findTarget(directory: string): Promise<Target> {
  try {
    const path = await realpath(directory);
    if (!(await isEmpty(path))) throw notEmpty(directory);
    await removeAbandoned(path);
    return { path, exists: true };
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return { path: resolve(directory), exists: false };
    if (hasCode(error, 'ENOTDIR')) throw notEmpty(directory, error);
    throw impossible(directory, error);
  }
}

/** @throws SnapshotError `INVALID_OPTIONS` when the target's name is too long. */
export async function createStaging({ path, exists }: Target): Promise<Staging> {
  return exists ? await stageWithin(path) : await stageBeside(path);
}

/**
 * In an existing directory: it may be a mount point or the current directory, which no rename can
 * replace, or be in a parent that can't be written. It keeps its mode, too.
 */
async function stageWithin(target: string): Promise<Staging> {
  const path = join(target, temporaryName('.restore'));
  await mkdir(path, 0o700);
  return {
    path,
    async publish() {
      if (!(await isEmpty(target))) throw notEmpty(target);
      await moveChildren(path, target);
    },
    remove: () => removeTree(path),
  };
}

/**
 * Beside a missing target, so that one `rename` publishes it. Makes missing parents. Removes what
 * killed processes of this machine left there.
 */
async function stageBeside(target: string): Promise<Staging> {
  const parent = dirname(target);
  const missing = await highestMissing(parent);
  const removeParents = async () => {
    if (missing !== undefined) await removeEmpty(parent, missing);
  };
  const path = join(parent, temporaryName('.restore'));
  try {
    await mkdir(parent, { recursive: true });
    // The parent may be unreadable, or have leftovers of other users. They don't disturb.
    await removeAbandoned(parent).catch(() => {});
    await mkdir(path, 0o700);
  } catch (error) {
    await removeParents();
    throw impossible(target, error);
  }
  return {
    path,
    async publish() {
      // Replaces only an empty directory (POSIX).
      await renameToFree(path, target).catch(async (error: unknown) => {
        const isTaken = hasCode(error, 'ENOTEMPTY', 'EEXIST', 'ENOTDIR') || (await exists(target));
        throw isTaken ? notEmpty(target, error) : error;
      });
    },
    async remove() {
      await removeTree(path);
      await removeParents();
    },
  };
}

/** Whether a directory has nothing but unfinished restores. */
async function isEmpty(directory: string): Promise<boolean> {
  return (await readdir(directory)).every(isTemporaryName);
}

async function removeTree(path: string): Promise<void> {
  // Windows refuses to remove files that another process has open.
  await rm(path, { recursive: true, force: true, maxRetries: 5 });
}

/** Of a directory and its parents, the highest one that does not exist. */
async function highestMissing(directory: string): Promise<string | undefined> {
  const isThere = (path: string) =>
    access(path).then(
      () => true,
      () => false,
    );
  let missing: string | undefined;
  for (let path = directory; !(await isThere(path)); path = dirname(path)) missing = path;
  return missing;
}

/** Removes directories from `deepest` up to `highest`, as long as they are empty. */
async function removeEmpty(deepest: string, highest: string): Promise<void> {
  for (let directory = deepest; ; directory = dirname(directory)) {
    try {
      await rmdir(directory);
    } catch (error) {
      if (hasCode(error, 'ENOTEMPTY')) return;
      // It could not be made, or another process has removed it.
      if (!hasCode(error, 'ENOENT', 'ENAMETOOLONG')) throw error;
    }
    if (directory === highest) return;
  }
}

/** A code for a target's name that is too long. A long name in an archive is another error. */
function impossible(directory: string, error: unknown): unknown {
  if (!hasCode(error, 'ENAMETOOLONG')) return error;
  const shown = `${directory.slice(0, 200)}…`;
  return new SnapshotError('INVALID_OPTIONS', `${shown} is too long`, { cause: error });
}

function notEmpty(directory: string, cause?: unknown): SnapshotError {
  return new SnapshotError('TARGET_NOT_EMPTY', `${directory} is not an empty directory`, { cause });
}
