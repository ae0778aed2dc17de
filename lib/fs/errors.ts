import { hasCode, isDiskFull, SnapshotError, toSnapshotError } from '../errors.js';

/** What a file system answers for a file that is gone. NFS: another machine removed it. */
const GONE = ['ENOENT', 'ESTALE'] as const;

/** Whether a system error says that there is no such file. */
export function isNoFile(error: unknown): error is Error {
  return hasCode(error, ...GONE, 'ENOTDIR', 'EISDIR', 'ELOOP');
}

/** Whether a file system refuses an operation that it does not have, such as `link` or `chmod`. */
export function isUnsupported(error: unknown): error is Error {
  const codes = ['EPERM', 'EACCES', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EINVAL', 'EMLINK'] as const;
  return hasCode(error, ...codes);
}

/** `undefined` when the file or directory is gone: other processes may delete it meanwhile. */
export async function unlessMissing<T>(operation: Promise<T>): Promise<T | undefined> {
  try {
    return await operation;
  } catch (error) {
    if (hasCode(error, ...GONE)) return undefined;
    throw error;
  }
}

/** Runs `work` of a store. File system errors become `STORAGE_FULL` or `STORE_FAILED`. */
export async function withStoreFailure<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!hasCode(error) || !('syscall' in error)) throw error;
    const code = isDiskFull(error) ? 'STORAGE_FULL' : 'STORE_FAILED';
    throw new SnapshotError(code, error.message, { cause: error });
  }
}

/** A missing file of a mirror is `MIRROR_CORRUPTED`. Other errors may be temporary. */
export function readFailure(error: unknown): SnapshotError {
  if (!isNoFile(error)) return toSnapshotError(error);
  return new SnapshotError('MIRROR_CORRUPTED', error.message, { cause: error });
}

/** For a file whose content has changed since it was written. */
export function damagedFile(path: string): SnapshotError {
  return new SnapshotError('MIRROR_CORRUPTED', `${path} is damaged`);
}
