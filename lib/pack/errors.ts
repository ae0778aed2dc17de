import { SnapshotError } from '../errors.js';

/** The upstream sent an invalid pack. */
export function invalid(message: string, cause?: unknown): SnapshotError {
  return new SnapshotError('UPSTREAM_INVALID', message, { cause });
}

/** The bytes on disk have changed since they were indexed. */
export function damaged(what: string, cause?: unknown): SnapshotError {
  return new SnapshotError('MIRROR_CORRUPTED', `${what} is not what its pack says`, { cause });
}
