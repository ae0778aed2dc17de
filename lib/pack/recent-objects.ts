import { OBJECT_HEADER_ROOM } from '../git/object.js';
import { offsetAt, wordAt } from './elements.js';
import { ObjectMemory, OVERWRITTEN_BYTES } from './object-memory.js';

/*
 * The contents of the latest objects, one behind the other in a ring of fixed size.
 *
 * A place counts on for ever; modulo the capacity it is where the object lies. A slot has the content's
 * size, room for the object header right before the content, and the content, without a break at the
 * ring's end, and what may be overwritten after it. Invariant: a slot is intact as long as
 * `#next <= place + #capacity`. Nothing goes to the garbage collector.
 */

const ALIGNMENT = 8;
const MAX_CAPACITY = 2 ** 30;
/** Bytes of a slot beside the content, at most. */
const SLOT_OVERHEAD = OBJECT_HEADER_ROOM + OVERWRITTEN_BYTES + ALIGNMENT - 1;

/** The greatest ring that takes no more bytes: a power of two, or 0. */
export function ringBytes(maxBytes: number): number {
  return maxBytes < 1024 ? 0 : Math.min(2 ** Math.floor(Math.log2(maxBytes)), MAX_CAPACITY);
}

/** Memory with such a ring: `kept`, if that has one of this size. */
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

  /**
   * @param bytes the ring's memory, as long as `ringBytes` says.
   * @param places by object, zeros at first; nobody else writes those of objects that are added here.
   */
  constructor(bytes: Buffer, places: Float64Array) {
    this.bytes = bytes;
    this.#capacity = bytes.length;
    // Three have to fit: one that is used, one that is added, and what is skipped at the ring's end.
    this.maxObjectBytes = this.#capacity / 4 - SLOT_OVERHEAD;
    this.#sizes = new Uint32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4);
    this.#places = places;
    // Place 0 is that of objects that were never added.
    this.#next = this.#capacity + ALIGNMENT;
  }

  has(object: number): boolean {
    return offsetAt(this.#places, object) + this.#capacity >= this.#next;
  }

  sizeOf(object: number): number {
    return wordAt(this.#sizes, this.#offset(offsetAt(this.#places, object)) / 4);
  }

  /** Where in `bytes` the content of an object begins that is here. It stays there during one `add`. */
  use(object: number): number {
    const place = offsetAt(this.#places, object);
    const from = this.#offset(place);
    // A slot and what is skipped before it take no more than half of the ring.
    if (place + this.#capacity / 2 >= this.#next) return from + OBJECT_HEADER_ROOM;
    const size = wordAt(this.#sizes, from / 4);
    const moved = this.#reserve(size);
    const to = this.#offset(moved);
    // They may overlap: nothing may be written before the whole slot is moved.
    this.bytes.copyWithin(to, from, from + OBJECT_HEADER_ROOM + size);
    this.#places[object] = moved;
    return to + OBJECT_HEADER_ROOM;
  }

  /**
   * Makes room for an object, and forgets those that lay there.
   *
   * @param size at most `maxObjectBytes`.
   * @returns where in `bytes` its content is to begin.
   */
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

  /** `place` modulo the capacity: exact, and without the call that `%` is for such numbers. */
  #offset(place: number): number {
    return place - Math.floor(place / this.#capacity) * this.#capacity;
  }
}
