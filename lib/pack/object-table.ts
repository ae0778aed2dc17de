import { SnapshotError } from '../errors.js';
import { compareOids, OID_BYTES } from '../git/object.js';

/** `bases` of an object that is no delta. */
export const NO_BASE = -1;
/** `bases` of a delta whose base is given by id rather than by position. */
export const BASE_BY_ID = -2;
/** `firstChild` and `nextSibling` at the end of a list. */
export const NO_CHILD = -1;

/**
 * What is known of each object of a pack, in pack order, as columns of shared memory: 45 bytes an
 * object, seen by all indexing threads without copying.
 *
 * A column is written by one thread before the others start, or, for `oids` and `types` of deltas,
 * by the one thread that resolves the delta.
 */
export interface ObjectColumns {
  /** Where each entry begins; one element more than objects: where the last entry ends. */
  readonly offsets: Float64Array<SharedArrayBuffer>;
  /** CRC-32 of each entry as it lies in the pack. */
  readonly crcs: Uint32Array<SharedArrayBuffer>;
  /** 20 bytes an object; of an unresolved delta whose base is given by id, that id. */
  readonly oids: Uint8Array<SharedArrayBuffer>;
  /** The object's type (1–4); 0 for a delta until it is resolved. */
  readonly types: Uint8Array<SharedArrayBuffer>;
  /** The index of the delta base, `NO_BASE` or `BASE_BY_ID`. */
  readonly bases: Int32Array<SharedArrayBuffer>;
  /** Deltas by base: the first one, and from each to the next. */
  readonly firstChild: Int32Array<SharedArrayBuffer>;
  readonly nextSibling: Int32Array<SharedArrayBuffer>;
}

/** Deltas whose bases are given by id, sorted by that id. */
export interface DeltasById {
  /** Indexes of the deltas. */
  readonly objects: Int32Array<SharedArrayBuffer>;
  /** 20 bytes each: the ids of their bases. */
  readonly baseOids: Uint8Array<SharedArrayBuffer>;
}

/** Everything that threads need to know of a scanned pack. */
export interface ScannedObjects {
  readonly count: number;
  readonly columns: ObjectColumns;
  readonly deltasById: DeltasById;
}

/** The range of those deltas whose base is the object with the id at `oids[at, at + 20)`. */
export function rangeById(
  { objects, baseOids }: DeltasById,
  oids: Uint8Array,
  at: number,
): { start: number; end: number } {
  const start = lowerBound(baseOids, objects.length, oids, at, false);
  return { start, end: lowerBound(baseOids, objects.length, oids, at, true) };
}

/** The first position whose id is not less than (`after`: greater than) the one sought. */
function lowerBound(
  sorted: Uint8Array,
  count: number,
  oids: Uint8Array,
  at: number,
  after: boolean,
): number {
  let low = 0;
  let high = count;
  while (low < high) {
    const middle = (low + high) >>> 1;
    const order = compareOids(sorted, middle * OID_BYTES, oids, at);
    if (order < 0 || (after && order === 0)) low = middle + 1;
    else high = middle;
  }
  return low;
}

const FIRST_CAPACITY = 4096;

/** Collects `ObjectColumns` while a pack is scanned, growing as objects really arrive. */
export class ObjectTable {
  #columns = allocateColumns(FIRST_CAPACITY);
  #capacity = FIRST_CAPACITY;
  #count = 0;
  #countById = 0;

  get count(): number {
    return this.#count;
  }

  /** Adds an object that is kept whole. `oid`: 20 bytes. */
  addWhole(offset: number, crc: number, type: number, oid: Uint8Array): void {
    const index = this.#add(offset, crc, NO_BASE);
    this.#columns.types[index] = type;
    this.#columns.oids.set(oid, index * OID_BYTES);
  }

  /**
   * Adds a delta whose base begins at `baseOffset`.
   *
   * @throws SnapshotError `UPSTREAM_INVALID` when no earlier entry begins there.
   */
  addDeltaByOffset(offset: number, crc: number, baseOffset: number): void {
    const base = this.#indexOfOffset(baseOffset);
    if (base === undefined) {
      throw new SnapshotError(
        'UPSTREAM_INVALID',
        `the delta at ${offset} names a base at ${baseOffset}, where no entry begins`,
      );
    }
    const index = this.#add(offset, crc, base);
    this.#columns.nextSibling[index] = this.#columns.firstChild[base] ?? NO_CHILD;
    this.#columns.firstChild[base] = index;
  }

  /** Adds a delta whose base is the object with this id, anywhere in the pack. */
  addDeltaById(offset: number, crc: number, baseOid: Uint8Array): void {
    const index = this.#add(offset, crc, BASE_BY_ID);
    this.#columns.oids.set(baseOid, index * OID_BYTES);
    this.#countById++;
  }

  /** Ends the collecting. `end`: where the last entry ends. */
  finish(end: number): ScannedObjects {
    if (this.#count === this.#capacity) this.#grow();
    this.#columns.offsets[this.#count] = end;
    return { count: this.#count, columns: this.#columns, deltasById: this.#sortDeltasById() };
  }

  #sortDeltasById(): DeltasById {
    const { bases, oids } = this.#columns;
    const objects = new Int32Array(new SharedArrayBuffer(this.#countById * 4));
    const baseOids = new Uint8Array(new SharedArrayBuffer(this.#countById * OID_BYTES));
    let found = 0;
    for (let i = 0; i < this.#count; i++) if (bases[i] === BASE_BY_ID) objects[found++] = i;
    objects.sort((a, b) => compareOids(oids, a * OID_BYTES, oids, b * OID_BYTES));
    for (let i = 0; i < found; i++) {
      const oidAt = (objects[i] ?? 0) * OID_BYTES;
      baseOids.set(oids.subarray(oidAt, oidAt + OID_BYTES), i * OID_BYTES);
    }
    return { objects, baseOids };
  }

  #add(offset: number, crc: number, base: number): number {
    // One element is kept free for the end of the last entry.
    if (this.#count + 1 >= this.#capacity) this.#grow();
    const index = this.#count++;
    this.#columns.offsets[index] = offset;
    this.#columns.crcs[index] = crc;
    this.#columns.bases[index] = base;
    this.#columns.firstChild[index] = NO_CHILD;
    this.#columns.nextSibling[index] = NO_CHILD;
    return index;
  }

  #grow(): void {
    const grown = allocateColumns(this.#capacity * 2);
    grown.offsets.set(this.#columns.offsets);
    grown.crcs.set(this.#columns.crcs);
    grown.oids.set(this.#columns.oids);
    grown.types.set(this.#columns.types);
    grown.bases.set(this.#columns.bases);
    grown.firstChild.set(this.#columns.firstChild);
    grown.nextSibling.set(this.#columns.nextSibling);
    this.#columns = grown;
    this.#capacity *= 2;
  }

  #indexOfOffset(offset: number): number | undefined {
    const { offsets } = this.#columns;
    let low = 0;
    let high = this.#count - 1;
    while (low <= high) {
      const middle = (low + high) >>> 1;
      const found = offsets[middle] ?? 0;
      if (found === offset) return middle;
      if (found < offset) low = middle + 1;
      else high = middle - 1;
    }
    return undefined;
  }
}

function allocateColumns(capacity: number): ObjectColumns {
  return {
    offsets: new Float64Array(new SharedArrayBuffer(capacity * 8)),
    crcs: new Uint32Array(new SharedArrayBuffer(capacity * 4)),
    oids: new Uint8Array(new SharedArrayBuffer(capacity * OID_BYTES)),
    types: new Uint8Array(new SharedArrayBuffer(capacity)),
    bases: new Int32Array(new SharedArrayBuffer(capacity * 4)),
    firstChild: new Int32Array(new SharedArrayBuffer(capacity * 4)),
    nextSibling: new Int32Array(new SharedArrayBuffer(capacity * 4)),
  };
}
