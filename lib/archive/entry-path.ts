import { SnapshotError } from '../errors.js';

/** Linux's limit for one call. It also bounds the depth of the tree. */
const MAX_PATH_BYTES = 4096;

/**
 * Turns the name of a tar entry into a path below the target, or `''` for the target itself: drops
 * a leading `./` and the slash after a directory. Backslashes and colons are ordinary characters.
 *
 * @throws SnapshotError `ARCHIVE_INVALID` for a name that is absolute or too long, or has an empty
 * segment, `.`, `..` or NUL.
 */
export function entryPath(name: string, isDirectory: boolean): string {
  if (name.length > MAX_PATH_BYTES || name.includes('\0')) throw refused(name);
  if (isDirectory && (name === '.' || name === './')) return '';
  const relative = name.replace(/^\.\//, '');
  const path = isDirectory ? relative.replace(/\/$/, '') : relative;
  if (path.split('/').some((segment) => /^\.{0,2}$/.test(segment))) throw refused(name);
  return path;
}

function refused(name: string): SnapshotError {
  return new SnapshotError('ARCHIVE_INVALID', `the archive has an entry named ${shownName(name)}`);
}

/** The start of an entry's name, as messages show it. */
export function shownName(name: string): string {
  return JSON.stringify(Buffer.from(name.slice(0, 200), 'latin1').toString());
}
