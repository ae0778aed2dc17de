/** Work on the same key is done one after the other; on different keys, at the same time. */
export class Turns {
  /** By key: settles when the last one is over. */
  readonly #last = new Map<string, Promise<void>>();

  /** Settles like `work`, which begins when all that came before it is over. */
  async take<T>(key: string, work: () => Promise<T>): Promise<T> {
    const turn = (this.#last.get(key) ?? Promise.resolve()).then(work);
    const over = turn.then(
      () => {},
      () => {},
    );
    this.#last.set(key, over);
    try {
      return await turn;
    } finally {
      if (this.#last.get(key) === over) this.#last.delete(key);
    }
  }
}
