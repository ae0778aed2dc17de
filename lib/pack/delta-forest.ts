import { binarySearch } from '../git/binary-search.js';
import { compareOids, OID_BYTES } from '../git/object.js';
import { indexAt } from './elements.js';
import { BASE_BY_ID, NO_BASE, type ScannedObjects } from './object-table.js';

/** `firstChild` and `nextSibling` at the end of a list. */
export const NO_CHILD = -1;

/** Deltas whose bases are given by id, sorted by that id. */
export interface DeltasById {
  /** Indexes of the deltas. */
  readonly objects: Int32Array<SharedArrayBuffer>;
  /** 20 bytes each: the ids of their bases. */
  readonly baseOids: Uint8Array<SharedArrayBuffer>;
}

/** The unresolved deltas of a pack and the bases that they need, as trees: 8 bytes an object. */
export interface DeltaForest {
  /** Whole objects that are bases of unresolved deltas. */
  readonly roots: Int32Array<SharedArrayBuffer>;
  /** The deltas of each base, as a linked list: its first delta, and after each delta the next. */
  readonly firstChild: Int32Array<SharedArrayBuffer>;
  readonly nextSibling: Int32Array<SharedArrayBuffer>;
  /** The base of such a delta is known only once the base is resolved. */
  readonly deltasById: DeltasById;
}

export function plantForest({ count, columns }: ScannedObjects): DeltaForest {
  const { bases, types, oids } = columns;
  const firstChild = new Int32Array(new SharedArrayBuffer(count * 4)).fill(NO_CHILD);
  const nextSibling = new Int32Array(new SharedArrayBuffer(count * 4)).fill(NO_CHILD);
  /** 1 for deltas that are resolved, and are in the forest only as bases. */
  const resolved = new Uint8Array(count);
  const deltasById = sortById({ count, columns });
  const isBaseById = (object: number) => {
    if (deltasById.objects.length === 0) return false;
    const { start, end } = rangeById(deltasById, oids, object * OID_BYTES);
    return start < end;
  };

  /** Hangs a delta below its base, and a resolved base that is not in the forest below its own. */
  const hang = (delta: number) => {
    for (let child = delta, base = indexAt(bases, child); base >= 0; ) {
      nextSibling[child] = indexAt(firstChild, base);
      firstChild[base] = child;
      if (types[base] === 0 || resolved[base] === 1) return;
      child = base;
      base = indexAt(bases, child);
      if (base >= 0) resolved[child] = 1;
    }
  };

  for (let i = 0; i < count; i++) {
    if (types[i] === 0) hang(i);
    else if (bases[i] !== NO_BASE && resolved[i] === 0 && isBaseById(i)) {
      resolved[i] = 1;
      hang(i);
    }
  }
  const roots: number[] = [];
  for (let i = 0; i < count; i++) {
    if (bases[i] === NO_BASE && (firstChild[i] !== NO_CHILD || isBaseById(i))) roots.push(i);
  }
  return { roots: shared(roots), firstChild, nextSibling, deltasById };
}

/** Positions in `DeltasById`. */
export interface IdRange {
  readonly start: number;
  readonly end: number;
}

/** The deltas whose base has the id `oids[at, at + 20)`. */
export function rangeById(
  { objects, baseOids }: DeltasById,
  oids: Uint8Array,
  at: number,
): IdRange {
  const compare = (i: number) => compareOids(baseOids, i * OID_BYTES, oids, at);
  const start = binarySearch(0, objects.length, (i) => compare(i) < 0);
  return { start, end: binarySearch(start, objects.length, (i) => compare(i) <= 0) };
}

function sortById({ count, columns }: ScannedObjects): DeltasById {
  const { bases, types, oids } = columns;
  const found: number[] = [];
  for (let i = 0; i < count; i++) if (types[i] === 0 && bases[i] === BASE_BY_ID) found.push(i);
  found.sort((a, b) => compareOids(oids, a * OID_BYTES, oids, b * OID_BYTES));
  const baseOids = new Uint8Array(new SharedArrayBuffer(found.length * OID_BYTES));
  for (const [i, object] of found.entries()) {
    baseOids.set(oids.subarray(object * OID_BYTES, (object + 1) * OID_BYTES), i * OID_BYTES);
  }
  return { objects: shared(found), baseOids };
}

function shared(numbers: readonly number[]): Int32Array<SharedArrayBuffer> {
  const array = new Int32Array(new SharedArrayBuffer(numbers.length * 4));
  array.set(numbers);
  return array;
}
