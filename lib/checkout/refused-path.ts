import { SnapshotError } from '../errors.js';

/** @param path bytes as latin1. */
export function refusedPath(path: string, why: string): SnapshotError {
  const shown = JSON.stringify(Buffer.from(path, 'latin1').toString());
  return new SnapshotError('REPOSITORY_INVALID', `the tree entry ${shown} ${why}`);
}
