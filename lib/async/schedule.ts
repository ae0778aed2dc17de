import { elapsedSince, now, type Time } from './clock.js';
import { MAX_DELAY } from './deadline.js';

interface Entry {
  readonly at: Time;
  readonly timer: NodeJS.Timeout;
}

/** Things to be done at some time, by key. Its timers do not keep the process alive. */
export class Schedule<T> {
  readonly #entries = new Map<string, Entry>();
  readonly #onDue: (item: T) => void;
  #isStopped = false;

  /** @param onDue is called once for each entry, which is gone by then. */
  constructor(onDue: (item: T) => void) {
    this.#onDue = onDue;
  }

  has(key: string): boolean {
    return this.#entries.has(key);
  }

  /** An entry that is there already stays if it comes earlier. */
  add(key: string, item: T, at: Time): void {
    const there = this.#entries.get(key);
    if (this.#isStopped || (there !== undefined && there.at <= at)) return;
    clearTimeout(there?.timer);
    const delay = Math.min(Math.max(-elapsedSince(at), 0), MAX_DELAY);
    const timer = setTimeout(() => {
      this.#entries.delete(key);
      if (now() < at) this.add(key, item, at);
      else this.#onDue(item);
    }, delay).unref();
    this.#entries.set(key, { at, timer });
  }

  stop(): void {
    this.#isStopped = true;
    for (const { timer } of this.#entries.values()) clearTimeout(timer);
    this.#entries.clear();
  }
}
