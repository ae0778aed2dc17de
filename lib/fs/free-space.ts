import { stat, statfs } from 'node:fs/promises';
import { SnapshotError } from '../errors.js';

/** Bytes that are free for this user; infinite if unknown: some network file systems do not tell. */
export async function freeBytes(directory: string): Promise<number> {
  const { bavail, bsize, blocks } = await statfs(directory);
  return blocks === 0 ? Number.POSITIVE_INFINITY : bavail * bsize;
}

/** @throws SnapshotError `STORAGE_FULL` unless the file system has room for a copy of `files`. */
export async function requireFreeSpace(directory: string, files: readonly string[]): Promise<void> {
  const sizes = await Promise.all(files.map(async (file) => (await stat(file)).size));
  const bytes = sizes.reduce((sum, size) => sum + size, 0);
  const free = await freeBytes(directory);
  if (bytes <= free) return;
  throw new SnapshotError('STORAGE_FULL', `${bytes} bytes are needed, ${free} are free`);
}
