import { OBJECT_HEADER_ROOM } from '../git/object.js';
import { offsetAt, wordAt } from './elements.js';
import { ObjectMemory, OVERWRITTEN_BYTES } from './object-memory.js';

/*
 * The contents of the latest objects, one after the other in a ring of fixed size: no work for the
 * garbage collector.
 *
 * Places only grow; modulo the capacity a place is the position in the ring. A slot has the
 * content's size, room for the object header right before the content, the content, and bytes that
 * may be overwritten. A slot never wraps around the ring's end. Invariant: a slot is intact as long
 * as `#next <= place + #capacity`.
 */

const ALIGNMENT = 8;
const MAX_CAPACITY = 2 ** 30;
/** The most bytes of a slot besides the content. */
const SLOT_OVERHEAD = OBJECT_HEADER_ROOM + OVERWRITTEN_BYTES + ALIGNMENT - 1;

/** The bytes of the largest ring within `maxBytes`: a power of two, or 0. */
export function ringBytes(maxBytes: number): number {
  return maxBytes < 1024 ? 0 : Math.min(2 ** Math.floor(Math.log2(maxBytes)), MAX_CAPACITY);
}

/** Memory with this ring: `kept`, if its ring has the right size. */
export function memoryWithRing(maxBytes: number, kept: ObjectMemory | undefined): ObjectMemory {
  const bytes = ringBytes(maxBytes);
  return kept?.ring.length === bytes ? kept : new ObjectMemory(bytes);
}

export class RecentObjects {
  /** The ring. */
  readonly bytes: Buffer;
  /** Larger objects are not kept; negative when none is. */
  readonly maxObjectBytes: number;
  readonly #capacity: number;
  readonly #sizes: Uint32Array;
  readonly #places: Float64Array;
  #next: number;

  /** @param bytes as many as `ringBytes` returns. @param places by object, 0 at first. */
  constructor(bytes: Buffer, places: Float64Array) {
    this.bytes = bytes;
    this.#capacity = bytes.length;
    // Three slots must fit: one in use, one that is added, and the bytes skipped at the ring's end.
    this.maxObjectBytes = this.#capacity / 4 - SLOT_OVERHEAD;
    this.#sizes = new Uint32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4);
    this.#places = places;
    // Place 0 means that an object was never added.
    this.#next = this.#capacity + ALIGNMENT;
  }

  has(object: number): boolean {
    return offsetAt(this.#places, object) + this.#capacity >= this.#next;
  }

  sizeOf(object: number): number {
    return wordAt(this.#sizes, this.#offset(offsetAt(this.#places, object)) / 4);
  }

  /** Where in `bytes` the content of a present object begins. It stays there during one `add`. */
  use(object: number): number {
    const place = offsetAt(this.#places, object);
    const from = this.#offset(place);
    // A slot and the bytes skipped before it take at most half of the ring.
    if (place + this.#capacity / 2 >= this.#next) return from + OBJECT_HEADER_ROOM;
    const size = wordAt(this.#sizes, from / 4);
    const moved = this.#reserve(size);
    const to = this.#offset(moved);
    // The two slots may overlap: write nothing before the whole slot is moved.
    this.bytes.copyWithin(to, from, from + OBJECT_HEADER_ROOM + size);
    this.#places[object] = moved;
    return to + OBJECT_HEADER_ROOM;
  }

  /** Makes room for an object of at most `maxObjectBytes`. @returns where in `bytes` it begins. */
  add(object: number, size: number): number {
    const place = this.#reserve(size);
    const at = this.#offset(place);
    this.#places[object] = place;
    this.#sizes[at / 4] = size;
    return at + OBJECT_HEADER_ROOM;
  }

  #reserve(size: number): number {
    const slot = (SLOT_OVERHEAD + size) & -ALIGNMENT;
    const rest = this.#capacity - this.#offset(this.#next);
    const place = slot > rest ? this.#next + rest : this.#next;
    this.#next = place + slot;
    return place;
  }

  /** `place` modulo the capacity. Faster than `%`, which is a call for such large numbers. */
  #offset(place: number): number {
    return place - Math.floor(place / this.#capacity) * this.#capacity;
  }
}
