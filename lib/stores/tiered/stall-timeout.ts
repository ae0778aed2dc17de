import { unlessLate } from '../../async/deadline.js';
import { SnapshotError } from '../../errors.js';

/** A store did nothing for too long, unlike one that answers that it can't. */
export class StoreStalled extends SnapshotError {}

/** Settles like `work`, or rejects with `StoreStalled`, coded `STORE_FAILED`, when that takes longer. */
export function unlessStalled<T>(milliseconds: number, work: Promise<T>): Promise<T> {
  const late = () =>
    new StoreStalled('STORE_FAILED', `the store did nothing for ${milliseconds} ms`);
  return unlessLate(work, milliseconds, late);
}

/** What a store failed with; a code is given to what has none. */
export function toStoreError(error: unknown): SnapshotError {
  if (error instanceof SnapshotError) return error;
  const message = error instanceof Error ? error.message : String(error);
  return new SnapshotError('STORE_FAILED', message, { cause: error });
}
