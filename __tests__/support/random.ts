import { createCipheriv, createHash } from 'node:crypto';

/** Incompressible bytes that follow from the seed alone: the key stream of AES in counter mode. */
export function seededBytes(seed: string | number, length: number): Buffer {
  const key = createHash('sha256').update(String(seed)).digest();
  return createCipheriv('aes-256-ctr', key, Buffer.alloc(16)).update(Buffer.alloc(length));
}

/** A repeatable source of choices (mulberry32). */
export class SeededRandom {
  #state: number;

  constructor(seed: number) {
    this.#state = seed | 0;
  }

  /** An integer in `0 … limit - 1`. */
  below(limit: number): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0;
    let t = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) % limit;
  }

  pick<T>(items: readonly T[]): T {
    const item = items[this.below(items.length)];
    if (item === undefined) throw new RangeError('nothing to pick from');
    return item;
  }
}

/** Cards that are dealt in a random order, again and again: each comes as often as there are of it. */
export class Deck<Card> {
  readonly #random: SeededRandom;
  readonly #cards: readonly Card[];
  readonly #left: Card[] = [];

  /** @param counts how many of each card there are. */
  constructor(random: SeededRandom, counts: readonly (readonly [card: Card, count: number])[]) {
    this.#random = random;
    this.#cards = counts.flatMap(([card, count]) => Array.from({ length: count }, () => card));
  }

  deal(): Card {
    if (this.#left.length === 0) this.#left.push(...this.#cards);
    const [card] = this.#left.splice(this.#random.below(this.#left.length), 1);
    if (card === undefined) throw new RangeError('the deck is empty');
    return card;
  }
}
