import { stat, statfs } from 'node:fs/promises';
import { SnapshotError } from '../errors.js';

/**
 * Checks that a copy of `files` fits on the file system of `directory`.
 *
 * @throws SnapshotError `STORAGE_FULL` when it does not fit.
 */
export async function requireFreeSpace(directory: string, files: readonly string[]): Promise<void> {
  const sizes = await Promise.all(files.map(async (file) => (await stat(file)).size));
  const bytes = sizes.reduce((sum, size) => sum + size, 0);
  const { bavail, bsize } = await statfs(directory);
  const free = bavail * bsize;
  if (bytes <= free) return;
  throw new SnapshotError('STORAGE_FULL', `${bytes} bytes are needed, ${free} are free`);
}
