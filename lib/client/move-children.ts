import { readdir, rm } from 'node:fs/promises';
import { SnapshotError } from '../errors.js';
import { exists, placesIn, renameToFree } from './file-system.js';

/**
 * Moves all entries of a directory to another one of the same file system, `.git` last: until then
 * git sees no repository there. After a failure it moves them back.
 *
 * @throws SnapshotError `TARGET_NOT_EMPTY` when a name is taken; the error of `rename`.
 */
export async function moveChildren(from: string, to: string): Promise<void> {
  const origin = placesIn(from);
  const target = placesIn(to);
  // As latin1, so that names that are no UTF-8 stay as they are.
  const names = await readdir(from, { encoding: 'latin1' });
  const moved: string[] = [];
  try {
    for (const name of names.sort(gitLast)) {
      if (await exists(target(name))) {
        throw new SnapshotError('TARGET_NOT_EMPTY', `${to} is not empty any more`);
      }
      await renameToFree(origin(name), target(name));
      moved.push(name);
    }
  } catch (error) {
    for (const name of moved.reverse()) await renameToFree(target(name), origin(name));
    throw error;
  }
  await rm(from, { recursive: true, maxRetries: 5 });
}

function gitLast(a: string, b: string): number {
  return Number(a === '.git') - Number(b === '.git');
}
