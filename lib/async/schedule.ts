import { MAX_DELAY } from './deadline.js';

interface Entry<T> {
  readonly item: T;
  /** By `performance.now()`. */
  readonly at: number;
}

/**
 * Things to be done at some time, by key, with one timer for all of them, which does not keep the
 * process alive.
 */
export class Schedule<T> {
  readonly #entries = new Map<string, Entry<T>>();
  readonly #onDue: (item: T) => void;
  #timer: NodeJS.Timeout | undefined;
  #isStopped = false;

  /** @param onDue is called once for each entry, which is gone by then. */
  constructor(onDue: (item: T) => void) {
    this.#onDue = onDue;
  }

  has(key: string): boolean {
    return this.#entries.has(key);
  }

  /** An entry that is there already stays if it comes earlier. @param at by `performance.now()`. */
  add(key: string, item: T, at: number): void {
    const there = this.#entries.get(key);
    if (this.#isStopped || (there !== undefined && there.at <= at)) return;
    this.#entries.set(key, { item, at });
    this.#wait();
  }

  stop(): void {
    this.#isStopped = true;
    this.#entries.clear();
    clearTimeout(this.#timer);
  }

  #wait(): void {
    clearTimeout(this.#timer);
    if (this.#entries.size === 0) return;
    let first = Number.POSITIVE_INFINITY;
    for (const { at } of this.#entries.values()) first = Math.min(first, at);
    const delay = Math.min(Math.max(first - performance.now(), 0), MAX_DELAY);
    this.#timer = setTimeout(() => this.#run(), delay);
    this.#timer.unref();
  }

  #run(): void {
    const now = performance.now();
    for (const [key, { item, at }] of [...this.#entries]) {
      if (at > now || this.#isStopped) continue;
      this.#entries.delete(key);
      this.#onDue(item);
    }
    this.#wait();
  }
}
