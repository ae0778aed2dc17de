import pLimit, { type LimitFunction } from 'p-limit';

/**
 * Turns, so many at once in each lane: what hangs in one keeps nothing in another waiting. A lane is never
 * forgotten; there are as few as hosts in the allow-list.
 */
export class Lanes {
  readonly #width: number;
  readonly #lanes = new Map<string, LimitFunction>();

  /** @param width how much may run at once in one lane. */
  constructor(width: number) {
    this.#width = width;
  }

  /** Runs the work when its turn in a lane comes. */
  run<T>(lane: string, work: () => Promise<T>): Promise<T> {
    const limit = this.#lanes.get(lane) ?? pLimit(this.#width);
    this.#lanes.set(lane, limit);
    return limit(work);
  }
}
