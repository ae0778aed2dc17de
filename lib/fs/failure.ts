import { hasCode, SnapshotError } from '../errors.js';

/** Gives a file system error its code; everything else is returned as it is. */
function storeFailure(error: unknown): unknown {
  if (!hasCode(error) || !('syscall' in error)) return error;
  const full = error.code === 'ENOSPC' || error.code === 'EDQUOT';
  return new SnapshotError(full ? 'STORAGE_FULL' : 'STORE_FAILED', error.message, { cause: error });
}

/** Runs `work`; its file system errors come out as `STORAGE_FULL` or `STORE_FAILED`. */
export async function withStoreFailure<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw storeFailure(error);
  }
}

/** `undefined` when the file or directory is gone: other processes delete and evict at the same time. */
export async function unlessMissing<T>(operation: Promise<T>): Promise<T | undefined> {
  try {
    return await operation;
  } catch (error) {
    if (hasCode(error) && error.code === 'ENOENT') return undefined;
    throw error;
  }
}
