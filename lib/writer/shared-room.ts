const MAX_BYTES = 2 ** 30;

/**
 * A bound on the bytes that are on their way from one thread to another: without it the faster one
 * would fill the memory. The object that both share is `cell`.
 */
export class SharedRoom {
  readonly #used: Int32Array;
  readonly #limit: number;

  /** @param limit bytes, below 2^30. */
  constructor(
    limit: number,
    readonly cell: SharedArrayBuffer = new SharedArrayBuffer(4),
  ) {
    this.#limit = limit;
    this.#used = new Int32Array(cell);
  }

  /**
   * Blocks the thread until there is room for so many bytes; what is larger than the limit has room
   * alone. Only one thread may take.
   */
  take(bytes: number): void {
    for (;;) {
      const used = Atomics.load(this.#used, 0);
      if (used === 0 || used + bytes <= this.#limit) break;
      Atomics.wait(this.#used, 0, used);
    }
    Atomics.add(this.#used, 0, bytes);
  }

  /** Lets the other thread take without waiting from now on: nobody cares for what it makes. */
  abandon(): void {
    Atomics.store(this.#used, 0, -MAX_BYTES);
    Atomics.notify(this.#used, 0);
  }

  give(bytes: number): void {
    Atomics.sub(this.#used, 0, bytes);
    Atomics.notify(this.#used, 0);
  }
}
