import { AsyncResource } from 'node:async_hooks';
import { elapsedSince, now, type Time } from './clock.js';
import { MAX_DELAY } from './deadline.js';

interface Entry<T> {
  readonly item: T;
  readonly at: Time;
  readonly timer: NodeJS.Timeout;
}

/**
 * Calls a function for each item at its time; one item per key. Its timers are unref'd. The calls have
 * the async context in which the schedule was made: scheduled work belongs to no request.
 */
export class Schedule<T> {
  readonly #entries = new Map<string, Entry<T>>();
  readonly #onDue: (item: T) => void;
  readonly #scope = new AsyncResource('Schedule');
  #isStopped = false;

  /** @param onDue is called once for each entry, after the entry was removed. */
  constructor(onDue: (item: T) => void) {
    this.#onDue = onDue;
  }

  has(key: string): boolean {
    return this.#entries.has(key);
  }

  /** Adds an entry. If the key has an entry that is due earlier, that one stays. */
  add(key: string, item: T, at: Time): void {
    if (this.#isStopped) return;
    const there = this.#entries.get(key);
    clearTimeout(there?.timer);
    const next = there !== undefined && there.at <= at ? there : { item, at };
    const delay = Math.min(Math.max(-elapsedSince(next.at), 0), MAX_DELAY);
    const onTime = () => {
      this.#entries.delete(key);
      if (now() < next.at) this.add(key, next.item, next.at);
      else this.#onDue(next.item);
    };
    const timer = this.#scope.runInAsyncScope(() => setTimeout(onTime, delay).unref());
    this.#entries.set(key, { item: next.item, at: next.at, timer });
  }

  stop(): void {
    this.#isStopped = true;
    for (const { timer } of this.#entries.values()) clearTimeout(timer);
    this.#entries.clear();
  }
}
