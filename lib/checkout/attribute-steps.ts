import { SnapshotError } from '../errors.js';

/** Of finding rules by a name, and of beginning to compare one. */
export const STEPS_PER_SEARCH = 8;

/**
 * Counts what the `.gitattributes` files of one checkout cost: hostile ones take hours, here as in git. A
 * step is about one byte of a path that is compared with a pattern: a few nanoseconds.
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
