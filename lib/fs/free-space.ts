import { stat, statfs } from 'node:fs/promises';
import { SnapshotError } from '../errors.js';

/** @throws SnapshotError `STORAGE_FULL` unless the file system has room for a copy of `files`. */
export async function requireFreeSpace(directory: string, files: readonly string[]): Promise<void> {
  const sizes = await Promise.all(files.map(async (file) => (await stat(file)).size));
  const bytes = sizes.reduce((sum, size) => sum + size, 0);
  const { bavail, bsize, blocks } = await statfs(directory);
  const free = bavail * bsize;
  // Some network file systems do not tell.
  if (bytes <= free || blocks === 0) return;
  throw new SnapshotError('STORAGE_FULL', `${bytes} bytes are needed, ${free} are free`);
}
