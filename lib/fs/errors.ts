import { hasCode, SnapshotError, toSnapshotError } from '../errors.js';

/** System error codes that mean: there is no such file. */
const NO_FILE: ReadonlySet<string> = new Set(['ENOENT', 'ENOTDIR', 'EISDIR', 'ELOOP']);

/** Whether a system error says that there is no such file. */
export function isNoFile(error: unknown): error is Error {
  return hasCode(error) && NO_FILE.has(error.code);
}

/** `undefined` when the file or directory is gone: other processes may delete it meanwhile. */
export async function unlessMissing<T>(operation: Promise<T>): Promise<T | undefined> {
  try {
    return await operation;
  } catch (error) {
    if (hasCode(error) && error.code === 'ENOENT') return undefined;
    throw error;
  }
}

/** Runs `work` of a store. File system errors become `STORAGE_FULL` or `STORE_FAILED`. */
export async function withStoreFailure<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!hasCode(error) || !('syscall' in error)) throw error;
    const isFull = error.code === 'ENOSPC' || error.code === 'EDQUOT';
    const code = isFull ? 'STORAGE_FULL' : 'STORE_FAILED';
    throw new SnapshotError(code, error.message, { cause: error });
  }
}

/**
 * Gives a code to an error of reading a mirror: `REPOSITORY_DAMAGED` when a file is missing. Any
 * other error may be temporary, and does not mean damage.
 */
export function readFailure(error: unknown): SnapshotError {
  if (!isNoFile(error)) return toSnapshotError(error);
  return new SnapshotError('REPOSITORY_DAMAGED', error.message, { cause: error });
}

/** For a file whose content has changed since it was written. */
export function damagedFile(path: string): SnapshotError {
  return new SnapshotError('REPOSITORY_DAMAGED', `${path} is damaged`);
}
