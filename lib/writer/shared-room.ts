const MAX_BYTES = 2 ** 30;

/** Limits the bytes in messages between two threads: a faster sender would fill the memory. */
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
   * Blocks the thread until there is room; for more bytes than the limit, until all room is free.
   * Only one thread may call it.
   */
  take(bytes: number): void {
    for (;;) {
      const used = Atomics.load(this.#used, 0);
      if (used === 0 || used + bytes <= this.#limit) break;
      Atomics.wait(this.#used, 0, used);
    }
    Atomics.add(this.#used, 0, bytes);
  }

  /** From now on the other thread never waits: its messages are ignored. */
  abandon(): void {
    Atomics.store(this.#used, 0, -MAX_BYTES);
    Atomics.notify(this.#used, 0);
  }

  give(bytes: number): void {
    Atomics.sub(this.#used, 0, bytes);
    Atomics.notify(this.#used, 0);
  }
}
