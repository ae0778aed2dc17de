/**
 * A binary heap: the least item is on top. `push` and `pop` cost a logarithm of the size.
 * Invariant: no item is less than its parent, which is at half its index.
 */
export class Heap<T> {
  readonly #items: T[] = [];
  readonly #isLess: (a: T, b: T) => boolean;

  constructor(isLess: (a: T, b: T) => boolean) {
    this.#isLess = isLess;
  }

  get size(): number {
    return this.#items.length;
  }

  /** The least item; `undefined` in an empty heap. */
  get top(): T | undefined {
    return this.#items[0];
  }

  push(item: T): void {
    let index = this.#items.push(item) - 1;
    while (index > 0) {
      const above = (index - 1) >> 1;
      const parent = this.#items[above];
      if (parent === undefined || !this.#isLess(item, parent)) break;
      this.#items[index] = parent;
      index = above;
    }
    this.#items[index] = item;
  }

  /** Removes and returns the least item. */
  pop(): T | undefined {
    const [least] = this.#items;
    const last = this.#items.pop();
    if (last !== undefined && this.#items.length > 0) this.#sink(last);
    return least;
  }

  /** Puts an item on top, and moves it down to its place. */
  #sink(item: T): void {
    let index = 0;
    for (;;) {
      let below = 2 * index + 1;
      let child = this.#items[below];
      const right = this.#items[below + 1];
      if (child !== undefined && right !== undefined && this.#isLess(right, child)) {
        child = right;
        below++;
      }
      if (child === undefined || !this.#isLess(child, item)) break;
      this.#items[index] = child;
      index = below;
    }
    this.#items[index] = item;
  }
}
