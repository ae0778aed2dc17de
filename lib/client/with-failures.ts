import { toSnapshotError } from '../errors.js';

/** Gives each failure of a call a code. After an abort, every failure is the signal's own reason. */
export async function withFailures<T>(
  signal: AbortSignal | undefined,
  work: () => Promise<T>,
): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw signal?.aborted ? signal.reason : toSnapshotError(error);
  }
}
