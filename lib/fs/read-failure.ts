import { hasCode, SnapshotError, toSnapshotError } from '../errors.js';

/** Codes of system errors that say that there is no such file where one was. */
const NO_FILE: ReadonlySet<string> = new Set(['ENOENT', 'ENOTDIR', 'EISDIR', 'ELOOP']);

/** Whether that is what a system error says. */
export function isNoFile(error: unknown): boolean {
  return hasCode(error) && NO_FILE.has(error.code);
}

/** Of a file whose content is not what it was. */
export function damagedFile(path: string): SnapshotError {
  return new SnapshotError('REPOSITORY_DAMAGED', `${path} is damaged`);
}

/**
 * Gives what reading a mirror failed with a code: `REPOSITORY_DAMAGED` when a file was removed by somebody
 * else, or is lost. That it can't be read at the moment says nothing about it.
 */
export function readFailure(error: unknown): SnapshotError {
  if (!isNoFile(error)) return toSnapshotError(error);
  const message = error instanceof Error ? error.message : String(error);
  return new SnapshotError('REPOSITORY_DAMAGED', message, { cause: error });
}
