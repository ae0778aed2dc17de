import { SnapshotError } from '../errors.js';

/** The limit of Linux and macOS for one call. It also bounds the depth of the tree. */
const MAX_PATH_BYTES = 4096;

/**
 * Turns the name of a tar entry into a path below the target: segments joined by `/`, or `''` for
 * the target itself. A leading `./` and, for directories, a trailing slash are dropped. Backslashes
 * and colons are ordinary characters, as in git.
 *
 * @throws SnapshotError `ARCHIVE_INVALID` for an absolute name, one with an empty segment, `.`,
 * `..` or NUL, and one that is too long.
 */
export function entryPath(name: string, isDirectory: boolean): string {
  if (name.length > MAX_PATH_BYTES || name.includes('\0')) throw refused(name);
  if (isDirectory && (name === '.' || name === './')) return '';
  const start = name.startsWith('./') ? 2 : 0;
  const end = isDirectory && name.endsWith('/') ? name.length - 1 : name.length;
  const path = name.slice(start, end);
  for (const segment of path.split('/')) {
    if (segment === '' || segment === '.' || segment === '..') throw refused(name);
  }
  return path;
}

function refused(name: string): SnapshotError {
  return new SnapshotError('ARCHIVE_INVALID', `the archive has an entry named ${shownName(name)}`);
}

/** The start of an entry's name, as messages show it. */
export function shownName(name: string): string {
  return JSON.stringify(Buffer.from(name.slice(0, 200), 'latin1').toString());
}
