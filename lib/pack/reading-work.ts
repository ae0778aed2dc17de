import { SnapshotError } from '../errors.js';

/** The cost of a step apart from its bytes. */
const STEP_BYTES = 1024;
/** Bytes of work that every reader is allowed: they take seconds. */
const FREE_BYTES = 4 * 1024 ** 3;
/**
 * Further allowed bytes of work for each byte that is read. git makes chains of at most 50 deltas: without a cache,
 * an object takes 25 steps on average.
 */
const MAX_SHARE = 64;

/**
 * Bounds the work of a reader by the bytes that it reads. In a hostile pack, all objects may be one chain of deltas,
 * and each read would go along the whole chain.
 */
export class ReadingWork {
  #work = 0;
  #read = 0;

  /**
   * @param bytes that one step inflates and writes.
   * @param size of the object after this step.
   * @throws SnapshotError `LIMIT_EXCEEDED`
   */
  addStep(bytes: number, size: number): void {
    this.#work += bytes + STEP_BYTES;
    this.#check(this.#read + size + STEP_BYTES);
  }

  /**
   * @param size of the object that was read.
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
