import pLimit, { type LimitFunction } from 'p-limit';

/**
 * A concurrency limit per key: a hung task delays only its own key. Keys are never forgotten, so
 * use it for few keys, such as hosts of the allow-list.
 */
export class KeyedLimit {
  readonly #concurrency: number;
  readonly #limits = new Map<string, LimitFunction>();

  constructor(concurrency: number) {
    this.#concurrency = concurrency;
  }

  run<T>(key: string, work: () => Promise<T>): Promise<T> {
    const limit = this.#limits.get(key) ?? pLimit(this.#concurrency);
    this.#limits.set(key, limit);
    return limit(work);
  }
}
