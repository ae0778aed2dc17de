import { SnapshotError } from '../errors.js';

/** The steps to find rules by a name, or to start comparing one. */
export const STEPS_PER_SEARCH = 8;

/**
 * Counts the cost of the `.gitattributes` files of one checkout: hostile files take hours, here as
 * in git. A step is about one byte of a path that is compared with a pattern: a few nanoseconds.
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
    throw new SnapshotError('LIMIT_EXCEEDED', message);
  }

  get taken(): number {
    return this.#most - this.#left;
  }
}
