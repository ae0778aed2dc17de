import { LRUCache } from 'lru-cache';

/** The marks of some 5,000 deliveries take about 2 MB. */
const MAX_MARKS = 10_000;

/** Remembers the latest deliveries by their marks. */
export class SeenDeliveries {
  readonly #marks = new LRUCache<string, true>({ max: MAX_MARKS });

  /**
   * Remembers a delivery. @returns false if it was remembered before: then its other marks are not kept, so
   * that replays with made-up ids can't fill the memory.
   */
  add(marks: readonly string[]): boolean {
    if (marks.some((mark) => this.#marks.get(mark) !== undefined)) return false;
    for (const mark of marks) this.#marks.set(mark, true);
    return true;
  }

  /** Forgets a delivery that had no effect, so that the sender can repeat it. */
  forget(marks: readonly string[]): void {
    for (const mark of marks) this.#marks.delete(mark);
  }
}
