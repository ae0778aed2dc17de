import { renameSync, rmSync, writeFileSync } from 'node:fs';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { hasCode } from '../../errors.js';
import { unlessMissing } from '../../fs/errors.js';
import { isAbandoned } from '../../fs/temporary.js';
import { locked } from './errors.js';

/*
 * git's locks: a file `{name}.lock`, made only where none is, excludes all other writers of the file
 * `{name}`. It is renamed to `{name}`, or removed.
 */

/**
 * Replaces a file while it holds the lock of the file. A kill leaves the old or the new content.
 *
 * @param next gets the lock, then makes the content; `undefined`: the file stays as it is.
 * @throws SnapshotError `CHECKOUT_LOCKED`
 */
export async function replaceLocked(
  path: string,
  next: () => Promise<Uint8Array | undefined>,
): Promise<void> {
  const lock = `${path}.lock`;
  await mkdir(dirname(path), { recursive: true });
  await claim(lock, '');
  try {
    const content = await next();
    if (content === undefined) {
      await rm(lock);
      return;
    }
    writeFileSync(lock, content);
    renameSync(lock, path);
  } catch (error) {
    await rm(lock, { force: true });
    throw error;
  }
}

/**
 * Holds a lock during longer work, which renames a file of its own to the locked one. The lock has
 * this process's name, so that a restore after a kill can tell that the lock is abandoned.
 *
 * @param owner a temporary name.
 * @throws SnapshotError `CHECKOUT_LOCKED`
 */
export async function withLockOf<T>(
  path: string,
  owner: string,
  work: () => Promise<T>,
): Promise<T> {
  const lock = `${path}.lock`;
  const holder = await unlessMissing(readFile(lock, 'latin1'));
  if (holder !== undefined && holder !== '' && (await isAbandoned(holder, lock))) await rm(lock);
  await claim(lock, owner);
  try {
    return await work();
  } finally {
    rmSync(lock, { force: true });
  }
}

async function claim(lock: string, content: string): Promise<void> {
  try {
    await writeFile(lock, content, { flag: 'wx' });
  } catch (error) {
    throw hasCode(error, 'EEXIST') ? locked(lock) : error;
  }
}
