import { access, mkdir, mkdtemp, readdir, realpath, rename, rm, rmdir } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { hasCode, SnapshotError } from '../errors.js';

/** A directory beside its future place: on the same file system, where `rename` is atomic. */
export interface Staging {
  /** Empty at first, and entered by nobody but this user. */
  readonly path: string;
  /** Moves the directory to its place. @throws SnapshotError `TARGET_NOT_EMPTY` */
  publish(): Promise<void>;
  /** Removes it, with the parents of the target that were made for it and are empty. */
  remove(): Promise<void>;
}

/**
 * Finds where a directory is to be put. Symlinks to it are followed.
 *
 * @returns an absolute path that is an empty directory or does not exist.
 * @throws SnapshotError `TARGET_NOT_EMPTY` when there is anything else; `INVALID_OPTIONS` when there can be none.
 */
export async function findTarget(directory: string): Promise<string> {
  try {
    const target = await realpath(directory);
    if ((await readdir(target)).length > 0) throw notEmpty(directory);
    return target;
  } catch (error) {
    if (hasCode(error) && error.code === 'ENOENT') return resolve(directory);
    throw hasCode(error) && error.code === 'ENOTDIR'
      ? notEmpty(directory, error)
      : impossible(directory, error);
  }
}

/**
 * @param target as `findTarget` returned it. Missing parents are made.
 * @throws SnapshotError `INVALID_OPTIONS` when they can't be.
 */
export async function createStaging(target: string): Promise<Staging> {
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
    path,
    async publish() {
      try {
        // Replaces an empty directory, and nothing else (POSIX, rename).
        await rename(path, target);
      } catch (error) {
        const taken = hasCode(error) && ['ENOTEMPTY', 'EEXIST', 'ENOTDIR'].includes(error.code);
        throw taken ? notEmpty(target, error) : error;
      }
    },
    async remove() {
      await rm(path, { recursive: true, force: true });
      await removeParents();
    },
  };
}

/** The highest of a directory and its parents that is not there. */
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

/** Removes directories from `deepest` up to `highest`, as far as nobody has put anything there. */
async function removeEmpty(deepest: string, highest: string): Promise<void> {
  for (let directory = deepest; ; directory = dirname(directory)) {
    try {
      await rmdir(directory);
    } catch (error) {
      if (!hasCode(error)) throw error;
      if (error.code === 'ENOTEMPTY') return;
      // What could not be made, or somebody else has removed.
      if (error.code !== 'ENOENT' && error.code !== 'ENAMETOOLONG') throw error;
    }
    if (directory === highest) return;
  }
}

/** A name that is too long for the file system, and not only for one of the archive's entries. */
function impossible(directory: string, error: unknown): unknown {
  if (!hasCode(error) || error.code !== 'ENAMETOOLONG') return error;
  const shown = `${directory.slice(0, 200)}…`;
  return new SnapshotError('INVALID_OPTIONS', `${shown} is too long`, { cause: error });
}

function notEmpty(directory: string, cause?: unknown): SnapshotError {
  return new SnapshotError('TARGET_NOT_EMPTY', `${directory} is not an empty directory`, { cause });
}
