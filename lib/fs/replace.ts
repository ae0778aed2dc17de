import { access, rename } from 'node:fs/promises';
import { setTimeout } from 'node:timers/promises';
import { hasCode } from '../errors.js';

/** Milliseconds before each further attempt. */
const DELAYS = [10, 50, 250];
/** On Windows: the target is open, such as in a virus scanner, or read-only, or a directory. */
const REFUSED = ['EPERM', 'EACCES', 'EBUSY'];

/**
 * Renames a file or directory, as `rename`. On Windows this fails while another process has the
 * replaced file open, such as a virus scanner: so it is tried again for a while.
 */
export async function replace(source: string, target: string): Promise<void> {
  await renameWithRetries(source, target, async () => false);
}

/**
 * Renames a file or directory to a name that says what it contains. Another process may have given
 * that name to its own. Other systems replace a file all the same. Windows does not if the file is
 * open or read-only, as packs are; then it stays.
 *
 * @returns whether it was renamed.
 */
export async function renameUnlessTaken(
  source: string,
  target: string,
  { platform = process.platform, move = rename } = {},
): Promise<boolean> {
  try {
    return await renameWithRetries(source, target, isThere, { platform, move });
  } catch (error) {
    // A directory that has files.
    if (hasCode(error, 'ENOTEMPTY', 'EEXIST')) return false;
    throw error;
  }
}

/** @param isEnough whether a refused rename needs no other attempt. */
async function renameWithRetries(
  source: string,
  target: string,
  isEnough: (target: string) => Promise<boolean>,
  { platform = process.platform, move = rename } = {},
): Promise<boolean> {
  for (let attempt = 0; ; attempt++) {
    try {
      await move(source, target);
      return true;
    } catch (error) {
      if (platform !== 'win32' || !hasCode(error, ...REFUSED)) throw error;
      if (await isEnough(target)) return false;
      const delay = DELAYS[attempt];
      if (delay === undefined) throw error;
      await setTimeout(delay);
    }
  }
}

/** Windows refuses access to a file that goes as soon as its last reader closes it. */
async function isThere(path: string): Promise<boolean> {
  return await access(path).then(
    () => true,
    () => false,
  );
}
