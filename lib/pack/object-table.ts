import { OID_BYTES } from '../git/object.js';
import { findOffset } from './elements.js';
import { invalid } from './errors.js';
import { type EntryHeader, EntryType } from './format.js';

/** `bases` of a whole object. */
export const NO_BASE = -1;
/** `bases` of a delta whose base is given by id. */
export const BASE_BY_ID = -2;

/**
 * The objects of a pack, in pack order, as columns of shared memory: 45 bytes an object. The
 * scanning thread writes an object's columns before it hands the object on. Then only the thread
 * that resolves the object writes its `oids`, `types` and `places`.
 */
export interface ObjectColumns {
  /** Where each entry begins, and at last where the last entry ends. */
  readonly offsets: Float64Array<SharedArrayBuffer>;
  /** CRC-32 of each entry's bytes in the pack. */
  readonly crcs: Uint32Array<SharedArrayBuffer>;
  /** 20 bytes an object; for an unresolved delta whose base is given by id: the base's id. */
  readonly oids: Uint8Array<SharedArrayBuffer>;
  /** The object's type (1–4); 0 for a delta until it is resolved. */
  readonly types: Uint8Array<SharedArrayBuffer>;
  /** The index of the delta base, `NO_BASE` or `BASE_BY_ID`. */
  readonly bases: Int32Array<SharedArrayBuffer>;
  /** Where the content is among the recent objects of the thread that resolved it; 0: nowhere. */
  readonly places: Float64Array<SharedArrayBuffer>;
}

export interface ScannedObjects {
  readonly count: number;
  readonly columns: ObjectColumns;
}

/** Collects `ObjectColumns` while a pack is scanned. */
export class ObjectTable {
  readonly columns: ObjectColumns;
  #count = 0;

  /** @param declared in the pack's header. The system gives memory only to written pages. */
  constructor(declared: number) {
    const bytes = (size: number) => new SharedArrayBuffer(size * declared);
    this.columns = {
      offsets: new Float64Array(new SharedArrayBuffer((declared + 1) * 8)),
      crcs: new Uint32Array(bytes(4)),
      oids: new Uint8Array(bytes(OID_BYTES)),
      types: new Uint8Array(bytes(1)),
      bases: new Int32Array(bytes(4)),
      places: new Float64Array(bytes(8)),
    };
  }

  get count(): number {
    return this.#count;
  }

  /** @returns the index. @throws SnapshotError `UPSTREAM_INVALID` if the base is no entry. */
  add(offset: number, crc: number, header: Readonly<EntryHeader>, bytes: Uint8Array): number {
    const { offsets, crcs, oids, types, bases } = this.columns;
    const index = this.#count;
    let base: number | undefined = NO_BASE;
    if (header.type === EntryType.ofsDelta) {
      base = findOffset(offsets, offset - header.baseDistance, index);
      if (base === undefined) throw invalid(`the delta at ${offset} names no entry as its base`);
    } else if (header.type === EntryType.refDelta) {
      base = BASE_BY_ID;
      const baseOid = bytes.subarray(header.baseOidAt, header.baseOidAt + OID_BYTES);
      oids.set(baseOid, index * OID_BYTES);
    } else types[index] = header.type;
    offsets[index] = offset;
    crcs[index] = crc;
    bases[index] = base;
    this.#count++;
    return index;
  }

  /** Completes the table. @param end where the last entry ends. */
  finish(end: number): ScannedObjects {
    this.columns.offsets[this.#count] = end;
    return { count: this.#count, columns: this.columns };
  }
}
