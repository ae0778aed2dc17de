import { LRUCache } from 'lru-cache';

/** An object that was written anew, to be the base of others. */
export interface Relative {
  /** Where in the new pack its entry begins. */
  readonly offset: number;
  readonly data: Buffer;
  /** Deltas to be applied to make it. */
  readonly depth: number;
}

/** As many as git allows by default. */
const MAX_DEPTH = 50;
const MAX_BYTES = 8 * 1024 * 1024;
const MAX_OBJECT_BYTES = 1024 * 1024;

/**
 * The latest objects that lost their delta base when a pack was written, by the object at the end of the
 * chain that they were made of: those of one chain are much alike.
 */
export class Relatives {
  readonly #latest = new LRUCache<number, Relative>({
    maxSize: MAX_BYTES,
    sizeCalculation: ({ data }) => data.length + 100,
  });

  /** An object that may be a base. */
  get(root: number): Relative | undefined {
    const found = this.#latest.get(root);
    return found === undefined || found.depth >= MAX_DEPTH ? undefined : found;
  }

  /** @param relative its data are copied. */
  set(root: number, { offset, data, depth }: Relative): void {
    if (data.length > MAX_OBJECT_BYTES) return;
    this.#latest.set(root, { offset, data: Buffer.from(data), depth });
  }
}
