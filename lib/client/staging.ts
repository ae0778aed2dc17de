import { access, mkdir, mkdtemp, readdir, realpath, rename, rm, rmdir } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { hasCode, SnapshotError } from '../errors.js';

/**
 * @returns the absolute path, without symlinks, of an empty directory or of nothing.
 * @throws SnapshotError `TARGET_NOT_EMPTY`; `INVALID_OPTIONS` when the name is too long.
 */
export async function findTarget(directory: string): Promise<string> {
  try {
    const target = await realpath(directory);
    if ((await readdir(target)).length > 0) throw notEmpty(directory);
    return target;
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return resolve(directory);
    if (hasCode(error, 'ENOTDIR')) throw notEmpty(directory, error);
    throw impossible(directory, error);
  }
}

/**
 * Makes a directory beside the target, so that `rename` is atomic, and missing parents.
 *
 * @throws SnapshotError `INVALID_OPTIONS` when the target's name is too long.
 */
export async function createStaging(target: string) {
  const parent = dirname(target);
  const missing = await highestMissing(parent);
  const removeParents = async () => {
    if (missing !== undefined) await removeEmpty(parent, missing);
  };
  let path: string;
  try {
    await mkdir(parent, { recursive: true });
    path = await mkdtemp(join(parent, '.restore-'));
  } catch (error) {
    await removeParents();
    throw impossible(target, error);
  }
  return {
    /** Empty at first; only this user may enter it. */
    path,
    /** Moves the directory to the target. @throws SnapshotError `TARGET_NOT_EMPTY` */
    async publish(): Promise<void> {
      try {
        await rename(path, target); // replaces only an empty directory (POSIX)
      } catch (error) {
        const isTaken = hasCode(error, 'ENOTEMPTY', 'EEXIST', 'ENOTDIR');
        throw isTaken ? notEmpty(target, error) : error;
      }
    },
    /** Removes the directory, and the empty parents that were made for the target. */
    async remove(): Promise<void> {
      await rm(path, { recursive: true, force: true });
      await removeParents();
    },
  };
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
