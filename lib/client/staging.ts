import { access, mkdir, mkdtemp, readdir, realpath, rename, rm, rmdir } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { hasCode, SnapshotError } from '../errors.js';

/** A directory beside its future place: on the same file system, where `rename` is atomic. */
export interface Staging {
  /** Empty at first; only this user may enter it. */
  readonly path: string;
  /** Moves the directory to its place. @throws SnapshotError `TARGET_NOT_EMPTY` */
  publish(): Promise<void>;
  /** Removes it, and the empty parents that were made for the target. */
  remove(): Promise<void>;
}

/**
 * Resolves the target directory, symlinks included.
 *
 * @returns an absolute path that is an empty directory or does not exist.
 * @throws SnapshotError `TARGET_NOT_EMPTY` for anything else; `INVALID_OPTIONS` when the name is
 * impossible.
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
 * @throws SnapshotError `INVALID_OPTIONS` when they can't be made.
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
        // Replaces only an empty directory (POSIX, rename).
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

/** The highest of a directory and its parents that does not exist. */
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
      if (!hasCode(error)) throw error;
      if (error.code === 'ENOTEMPTY') return;
      // The directory could not be made, or another process has removed it.
      if (error.code !== 'ENOENT' && error.code !== 'ENAMETOOLONG') throw error;
    }
    if (directory === highest) return;
  }
}

/** The target's own name is too long, rather than that of an entry of the archive. */
function impossible(directory: string, error: unknown): unknown {
  if (!hasCode(error) || error.code !== 'ENAMETOOLONG') return error;
  const shown = `${directory.slice(0, 200)}…`;
  return new SnapshotError('INVALID_OPTIONS', `${shown} is too long`, { cause: error });
}

function notEmpty(directory: string, cause?: unknown): SnapshotError {
  return new SnapshotError('TARGET_NOT_EMPTY', `${directory} is not an empty directory`, { cause });
}
