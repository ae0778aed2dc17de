import { shownName } from '../archive/entry-path.js';
import { SnapshotError } from '../errors.js';

/** For an entry that no archive may have. */
export function refused(path: string, why: string, cause?: unknown): SnapshotError {
  const message = `the archive's ${shownName(path)} ${why}`;
  return new SnapshotError('ARCHIVE_INVALID', message, { cause });
}

/** For an entry that other platforms or file systems can have. */
export function unsupportedName(path: string, why: string, cause?: unknown): SnapshotError {
  const message = `the archive's ${shownName(path)} can't be here: ${why}`;
  return new SnapshotError('NAME_UNSUPPORTED', message, { cause });
}
