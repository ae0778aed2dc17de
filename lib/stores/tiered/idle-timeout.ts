import { unlessLate } from '../../async/deadline.js';
import { messageOf, SnapshotError } from '../../errors.js';

/** A store did not answer in time. The errors that a store answers with are of other classes. */
export class StoreStalled extends SnapshotError {}

/** Settles like `work`, or rejects after `milliseconds` with `StoreStalled` (`STORE_FAILED`). */
export function unlessStalled<T>(milliseconds: number, work: Promise<T>): Promise<T> {
  const late = () =>
    new StoreStalled('STORE_FAILED', `the store did nothing for ${milliseconds} ms`);
  return unlessLate(work, milliseconds, late);
}

/** Gives a code to the error of a store. */
export function toStoreError(error: unknown): SnapshotError {
  if (SnapshotError.is(error)) return error;
  return new SnapshotError('STORE_FAILED', messageOf(error), { cause: error });
}
