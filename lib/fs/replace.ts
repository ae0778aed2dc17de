import { access, rename } from 'node:fs/promises';
import { setTimeout } from 'node:timers/promises';
import { hasCode } from '../errors.js';

/** Milliseconds before each further attempt. */
const DELAYS = [10, 50, 250];
/** On Windows: a file is open, such as in a virus scanner; or the target is read-only or a directory. */
const HELD = ['EPERM', 'EACCES', 'EBUSY'];

export interface HeldOptions {
  readonly platform?: NodeJS.Platform;
  /** Milliseconds before each further attempt. */
  readonly delays: Iterable<number>;
  /** Whether a refusal is final. Default: none is. */
  readonly isFinal?: () => Promise<boolean>;
}

/**
 * Renames a file or directory, as `rename`. On Windows this fails while another process has the
 * replaced file open, such as a virus scanner: so it is tried again for a while.
 */
export async function replace(source: string, target: string): Promise<void> {
  await whileHeld(() => rename(source, target), { delays: DELAYS });
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
  let isTaken = false;
  const isFinal = async () => {
    isTaken = await isThere(target);
    return isTaken;
  };
  try {
    await whileHeld(() => move(source, target), { platform, delays: DELAYS, isFinal });
    return true;
  } catch (error) {
    // The codes are those of a directory that has files.
    if (isTaken || hasCode(error, 'ENOTEMPTY', 'EEXIST')) return false;
    throw error;
  }
}

/** Runs a rename. Repeats it on Windows while another process has a file open. */
export async function whileHeld(
  move: () => Promise<void>,
  { platform = process.platform, delays, isFinal = async () => false }: HeldOptions,
): Promise<void> {
  const pauses = delays[Symbol.iterator]();
  for (;;) {
    try {
      return await move();
    } catch (error) {
      if (platform !== 'win32' || !hasCode(error, ...HELD) || (await isFinal())) throw error;
      const { done, value } = pauses.next();
      if (done) throw error;
      await setTimeout(value);
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
