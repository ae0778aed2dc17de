import { SnapshotError } from '../errors.js';

/** The upstream sent bytes that are no pack. */
export function invalid(message: string, cause?: unknown): SnapshotError {
  return new SnapshotError('UPSTREAM_INVALID', message, { cause });
}

/** The bytes on disk are not those that were indexed. */
export function damaged(what: string, cause?: unknown): SnapshotError {
  return new SnapshotError('REPOSITORY_DAMAGED', `${what} is not what its pack says`, { cause });
}
