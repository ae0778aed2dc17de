import { wordAt } from './elements.js';

/** Numbers of an `ObjectReader`'s objects. Memory: one bit for each object of the reader. */
export class ObjectSet {
  readonly #bits: Uint32Array;
  readonly #limit: number;
  #size = 0;

  /** @param limit all numbers are below it. */
  constructor(limit: number) {
    this.#limit = limit;
    this.#bits = new Uint32Array(Math.ceil(limit / 32));
  }

  get size(): number {
    return this.#size;
  }

  has(number: number): boolean {
    if (number >= this.#limit) return false;
    return (wordAt(this.#bits, number >>> 5) & (1 << (number & 31))) !== 0;
  }

  /** @returns `false` when the set had it already. */
  add(number: number): boolean {
    if (number >= this.#limit) throw new RangeError(`no object has the number ${number}`);
    const word = wordAt(this.#bits, number >>> 5);
    const bit = 1 << (number & 31);
    if ((word & bit) !== 0) return false;
    this.#bits[number >>> 5] = word | bit;
    this.#size++;
    return true;
  }

  /** The numbers, in their order. */
  *[Symbol.iterator](): Generator<number> {
    for (let at = 0; at < this.#bits.length; at++) {
      for (let rest = wordAt(this.#bits, at); rest !== 0; rest &= rest - 1) {
        yield at * 32 + 31 - Math.clz32(rest & -rest);
      }
    }
  }
}
