import { door } from './door.js';

/** A place where calls wait until a test releases them. */
export class Hold {
  /** Resolves when the first call waits. */
  readonly reached: Promise<void>;
  readonly release: () => void;
  /** Whether calls wait: for callers that ask. */
  isOn = false;
  readonly #reach: () => void;
  readonly #released: Promise<void>;

  constructor() {
    [this.reached, this.#reach] = door();
    [this.#released, this.release] = door();
  }

  /** Resolves when it is released. */
  async wait(): Promise<void> {
    this.#reach();
    await this.#released;
  }
}
