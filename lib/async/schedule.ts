import { elapsedSince, now, type Time } from './clock.js';
import { MAX_DELAY } from './deadline.js';
import { Heap } from './heap.js';

interface Entry<T> {
  readonly key: string;
  readonly item: T;
  readonly at: Time;
}

/** Replaced entries that the heap may hold, in addition to as many as there are keys. */
const MAX_REPLACED = 64;

/**
 * Calls a function for each item at its time; one item per key. It has one timer, for the earliest
 * item, which is unref'd. To add an item costs a logarithm of their number.
 */
export class Schedule<T> {
  readonly #entries = new Map<string, Entry<T>>();
  /** The entries, and replaced ones, which are skipped when their time comes. */
  #heap = newHeap<T>();
  readonly #onDue: (item: T) => void;
  #timer: NodeJS.Timeout | undefined;
  /** When the timer fires. */
  #timerAt: Time | undefined;
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
    if (there !== undefined && there.at <= at) return;
    const entry = { key, item, at };
    this.#entries.set(key, entry);
    this.#heap.push(entry);
    if (this.#heap.size > 2 * this.#entries.size + MAX_REPLACED) this.#dropReplaced();
    this.#setTimer();
  }

  stop(): void {
    this.#isStopped = true;
    clearTimeout(this.#timer);
    this.#entries.clear();
    this.#heap = newHeap();
  }

  #setTimer(): void {
    const { top } = this.#heap;
    if (top === undefined || (this.#timerAt !== undefined && this.#timerAt <= top.at)) return;
    clearTimeout(this.#timer);
    this.#timerAt = top.at;
    const delay = Math.min(Math.max(Math.ceil(-elapsedSince(top.at)), 0), MAX_DELAY);
    this.#timer = setTimeout(() => this.#callDue(), delay).unref();
  }

  #callDue(): void {
    this.#timerAt = undefined;
    // Taken first: an item that is added meanwhile is not due in this turn.
    const due = [...this.#takeDue(now())];
    try {
      for (const item of due) if (!this.#isStopped) this.#onDue(item);
    } finally {
      if (!this.#isStopped) this.#setTimer();
    }
  }

  *#takeDue(time: Time): Generator<T> {
    for (let top = this.#heap.top; top !== undefined; top = this.#heap.top) {
      const isCurrent = this.#entries.get(top.key) === top;
      if (isCurrent && top.at > time) return;
      this.#heap.pop();
      if (!isCurrent) continue;
      this.#entries.delete(top.key);
      yield top.item;
    }
  }

  #dropReplaced(): void {
    this.#heap = newHeap();
    for (const entry of this.#entries.values()) this.#heap.push(entry);
  }
}

function newHeap<T>(): Heap<Entry<T>> {
  return new Heap((a, b) => a.at < b.at);
}
