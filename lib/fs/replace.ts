import { rename } from 'node:fs/promises';
import { setTimeout } from 'node:timers/promises';
import { hasCode } from '../errors.js';

/** Milliseconds before each further attempt. */
const DELAYS = [10, 50, 250];

/**
 * Renames a file or directory, as `rename`. On Windows this fails while another process has the
 * replaced file open, such as a virus scanner: so it is tried again for a while.
 */
export async function replace(source: string, target: string): Promise<void> {
  const isWindows = process.platform === 'win32';
  for (const delay of isWindows ? DELAYS : []) {
    try {
      return await rename(source, target);
    } catch (error) {
      if (!hasCode(error, 'EPERM', 'EACCES', 'EBUSY')) throw error;
      await setTimeout(delay);
    }
  }
  await rename(source, target);
}
