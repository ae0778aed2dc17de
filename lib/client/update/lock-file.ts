import { renameSync, rmSync, writeFileSync } from 'node:fs';
import { lstat, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { hasCode } from '../../errors.js';
import { unlessMissing } from '../../fs/errors.js';
import { isAbandoned, temporaryName } from '../../fs/temporary.js';
import { locked } from './errors.js';

/*
 * git's locks: a file `{name}.lock`, made only where none is, excludes all other writers of the file
 * `{name}`. Locks of this library hold the name of their process, so that a restore after a kill can
 * tell that a lock is abandoned.
 */

/**
 * Replaces a file while it holds the lock of the file. A kill leaves the old or the new content.
 *
 * @param gitDirectory `.git`, for the new file until it is complete.
 * @param next gets the lock, then makes the content; `undefined`: the file stays as it is.
 * @throws SnapshotError `CHECKOUT_LOCKED`
 */
export async function replaceLocked(
  path: string,
  gitDirectory: string,
  next: () => Promise<Uint8Array | undefined>,
): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  const name = temporaryName('ref');
  await withLockOf(path, name, async () => {
    const content = await next();
    if (content === undefined) return;
    const written = join(gitDirectory, name);
    try {
      writeFileSync(written, content);
      renameSync(written, path);
    } catch (error) {
      rmSync(written, { force: true });
      throw error;
    }
  });
}

/**
 * Holds a lock during longer work, which renames a file of its own to the locked one.
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
  await removeIfAbandoned(lock);
  await claim(lock, owner);
  try {
    return await work();
  } finally {
    rmSync(lock, { force: true });
  }
}

/** Refuses a file that is locked now, before work whose end needs the lock. */
export async function refuseLocked(path: string): Promise<void> {
  const lock = `${path}.lock`;
  await removeIfAbandoned(lock);
  if (await unlessMissing(lstat(lock))) throw locked(lock);
}

/** Removes locks that killed restores have left in `.git`: they would stop git, too. */
export async function removeAbandonedLocks(gitDirectory: string): Promise<void> {
  for (const name of await readdir(gitDirectory)) {
    if (name.endsWith('.lock')) await removeIfAbandoned(join(gitDirectory, name));
  }
}

async function removeIfAbandoned(lock: string): Promise<void> {
  const holder = await unlessMissing(readFile(lock, 'latin1'));
  if (holder !== undefined && holder !== '' && (await isAbandoned(holder, lock))) await rm(lock);
}

async function claim(lock: string, content: string): Promise<void> {
  try {
    await writeFile(lock, content, { flag: 'wx' });
  } catch (error) {
    throw hasCode(error, 'EEXIST') ? locked(lock) : error;
  }
}
