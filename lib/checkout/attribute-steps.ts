import { limitExceeded } from '../errors.js';

/** For finding rules by a name, and for starting to compare one. */
export const STEPS_PER_SEARCH = 8;

/**
 * Limits the cost of one checkout's `.gitattributes`: hostile files take hours, here as in git. To
 * compare one byte of a path with a pattern is a step, a few nanoseconds.
 */
export class AttributeSteps {
  readonly #most: number;
  #left: number;

  constructor(most: number) {
    this.#most = most;
    this.#left = most;
  }

  /** @throws SnapshotError `LIMIT_EXCEEDED` */
  take(steps: number): void {
    this.#left -= steps;
    if (this.#left >= 0) return;
    const message = `the .gitattributes files take more than maxAttributeSteps (${this.#most})`;
    throw limitExceeded('maxAttributeSteps', message);
  }

  get taken(): number {
    return this.#most - this.#left;
  }
}
