import { LRUCache } from 'lru-cache';

/** Marks of some 5,000 deliveries, in about 2 MB. */
const MAX_MARKS = 10_000;

/** The deliveries that were seen last, by their marks. */
export class SeenDeliveries {
  readonly #marks = new LRUCache<string, true>({ max: MAX_MARKS });

  /**
   * Whether this delivery was not seen before; from now on it was. Of one that was, nothing is
   * remembered: who replays it can't fill the memory with ids of their own.
   */
  add(marks: readonly string[]): boolean {
    if (marks.some((mark) => this.#marks.get(mark) !== undefined)) return false;
    for (const mark of marks) this.#marks.set(mark, true);
    return true;
  }

  /** Takes back what `add` has remembered: nothing was done about the delivery. */
  forget(marks: readonly string[]): void {
    for (const mark of marks) this.#marks.delete(mark);
  }
}
