import { SnapshotError } from '../errors.js';

/** What a step costs beside its bytes. */
const STEP_BYTES = 1024;
/** Bytes that a reader may work through whatever it reads: they take seconds. */
const FREE_BYTES = 4 * 1024 ** 3;
/**
 * How many times the bytes of the objects read the work may be beyond that. git makes chains of at most 50 deltas,
 * so that an object takes 25 steps on average if the cache has none of its bases.
 */
const MAX_SHARE = 64;

/**
 * Adds up what a reader does to make objects of chains of deltas, beside what it reads: one small pack may have a
 * chain of all its objects, and each of them be made anew from its far end.
 */
export class ReadingWork {
  #work = 0;
  #read = 0;

  /**
   * @param bytes that one step inflates and makes.
   * @param size of the object so far.
   * @throws SnapshotError `LIMIT_EXCEEDED`
   */
  addStep(bytes: number, size: number): void {
    this.#work += bytes + STEP_BYTES;
    this.#check(this.#read + size + STEP_BYTES);
  }

  /**
   * @param size of an object that was read.
   * @throws SnapshotError `LIMIT_EXCEEDED`
   */
  addObject(size: number): void {
    this.#read += size + STEP_BYTES;
    this.#check(this.#read);
  }

  #check(read: number): void {
    if (this.#work <= FREE_BYTES + MAX_SHARE * read) return;
    throw new SnapshotError(
      'LIMIT_EXCEEDED',
      `chains of deltas are so long that objects take more than ${MAX_SHARE} times their bytes to read`,
    );
  }
}
