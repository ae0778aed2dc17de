import { stat, statfs } from 'node:fs/promises';
import { SnapshotError } from '../errors.js';

/** The space of a file system. Infinite if unknown: some network file systems do not tell. */
export interface DiskSpace {
  /** Bytes that are free for this user. */
  readonly freeBytes: number;
  readonly totalBytes: number;
  /** Files that can still be created. */
  readonly freeFiles: number;
}

export async function diskSpace(directory: string): Promise<DiskSpace> {
  const { bavail, bsize, blocks, files, ffree } = await statfs(directory);
  const unknown = Number.POSITIVE_INFINITY;
  const isKnown = blocks > 0;
  return {
    freeBytes: isKnown ? bavail * bsize : unknown,
    totalBytes: isKnown ? blocks * bsize : unknown,
    freeFiles: files > 0 ? ffree : unknown,
  };
}

/** Bytes that are free for this user, as in `DiskSpace`. */
export async function freeBytes(directory: string): Promise<number> {
  return (await diskSpace(directory)).freeBytes;
}

/** @throws SnapshotError `STORAGE_FULL` unless the file system has room for a copy of `files`. */
export async function requireFreeSpace(directory: string, files: readonly string[]): Promise<void> {
  const sizes = await Promise.all(files.map(async (file) => (await stat(file)).size));
  const bytes = sizes.reduce((sum, size) => sum + size, 0);
  const free = await freeBytes(directory);
  if (bytes <= free) return;
  throw new SnapshotError('STORAGE_FULL', `${bytes} bytes are needed, ${free} are free`);
}
