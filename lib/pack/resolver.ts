import { readFully } from '../fs/sync-io.js';
import {
  hashObject,
  isObjectType,
  OBJECT_HEADER_ROOM,
  type ObjectType,
  OID_BYTES,
} from '../git/object.js';
import { DeltaHeader, malformedDelta, parseDeltaHeader } from './delta.js';
import { byteAt, indexAt, offsetAt } from './elements.js';
import { damaged, invalid } from './errors.js';
import {
  EntryHeader,
  MAX_ENTRY_HEADER_BYTES,
  MAX_INFLATED_BYTES,
  parseEntryHeader,
} from './format.js';
import { inflateEntry } from './inflate.js';
import { checkSizeInMemory, type IngestLimits } from './limits.js';
import type { ObjectMemory } from './object-memory.js';
import { NO_BASE, type ObjectColumns } from './object-table.js';
import { RecentObjects } from './recent-objects.js';

/*
 * The first pass over a pack: hashes objects and applies deltas in the order of the pack. git
 * writes a base shortly before its deltas, so nearly every delta finds its base among the recent
 * objects. A forgotten base is made again from the nearest one in memory, as long as that is a
 * small part of the work. Other deltas, and deltas of objects too large to be kept, stay unresolved
 * (their type stays 0) for `second-pass.ts`, whose cost does not depend on the order. Cost: one
 * delta and one hash for each object. Memory: the recent objects.
 */

/** For every byte that is resolved, how many bytes may be made again. */
const REMADE_SHARE = 0.25;
const REMADE_START = 16 * 1024 * 1024;
/** Longer chains are left to `second-pass.ts`. */
const MAX_REMADE_CHAIN = 250;

export class Resolver {
  readonly #limits: IngestLimits;
  readonly #fd: number;
  readonly #memory: ObjectMemory;
  readonly #recent: RecentObjects;
  readonly #delta = new DeltaHeader();
  readonly #header = new EntryHeader();
  readonly #columns: ObjectColumns;
  #scratch: Buffer | undefined;
  /** Bytes that may still be made again. */
  #remadeBudget = REMADE_START;

  /** @param fd the pack, with each entry that is added. @param memory as in `PackScanner`. */
  constructor(fd: number, columns: ObjectColumns, limits: IngestLimits, memory: ObjectMemory) {
    this.#limits = limits;
    this.#columns = columns;
    this.#fd = fd;
    this.#memory = memory;
    this.#recent = new RecentObjects(memory.ring, columns.places);
  }

  /** Resolves an object if its base is resolved. Parameters and errors: as `Dispatcher.add`. */
  readonly add = (object: number, bytes: Buffer, start: number, end: number): void => {
    const { bases, types } = this.#columns;
    const base = indexAt(bases, object);
    const type = byteAt(types, base === NO_BASE ? object : base);
    if (!isObjectType(type)) return;
    if (base === NO_BASE) this.#addWhole(object, type, bytes, start, end);
    else this.#addDelta(object, type, base, bytes, start, end);
  };

  #addWhole(object: number, type: ObjectType, bytes: Buffer, start: number, end: number): void {
    const size = end - start;
    const kept = size <= this.#recent.maxObjectBytes;
    const room = kept ? this.#recent.bytes : this.#scratchRoom();
    const at = kept ? this.#recent.add(object, size) : OBJECT_HEADER_ROOM;
    room.set(size === bytes.length ? bytes : bytes.subarray(start, end), at);
    hashObject(type, room, at, size, this.#columns.oids, object * OID_BYTES);
    this.#remadeBudget += size * REMADE_SHARE;
  }

  #addDelta(
    object: number,
    type: ObjectType,
    base: number,
    bytes: Buffer,
    start: number,
    end: number,
  ): void {
    const { types, oids } = this.#columns;
    const delta = this.#delta;
    const recent = this.#recent;
    parseDeltaHeader(bytes, delta, start, end);
    checkSizeInMemory(Math.max(end - start, delta.resultSize), this.#limits);
    if (delta.resultSize > recent.maxObjectBytes) return;
    let content = bytes;
    if (!recent.has(base)) {
      // `bytes` may be overwritten while the base is made again.
      content = Buffer.from(bytes.subarray(start, end));
      if (!this.#remake(base)) return;
      parseDeltaHeader(content, delta);
    }
    const at = this.#apply(object, base, content);
    hashObject(type, recent.bytes, at, delta.resultSize, oids, object * OID_BYTES);
    types[object] = type;
    this.#remadeBudget += delta.resultSize * REMADE_SHARE;
  }

  /** Makes `object` of a recent base and the delta in `bytes`. @returns where in the ring it is. */
  #apply(object: number, base: number, bytes: Buffer): number {
    const recent = this.#recent;
    const delta = this.#delta;
    if (recent.sizeOf(base) !== delta.baseSize) {
      throw invalid('a delta is for a base of another size');
    }
    checkSizeInMemory(delta.baseSize, this.#limits);
    const baseAt = recent.use(base);
    const at = recent.add(object, delta.resultSize);
    if (!this.#memory.applyDelta(bytes, delta, baseAt, at)) throw malformedDelta();
    return at;
  }

  /** Makes a resolved object recent again; `false` when that costs too much. */
  #remake(object: number): boolean {
    const { bases } = this.#columns;
    const recent = this.#recent;
    const chain: number[] = [];
    for (let at = object; at >= 0 && !recent.has(at); at = indexAt(bases, at)) {
      if (chain.length === MAX_REMADE_CHAIN) return false;
      chain.push(at);
    }
    for (let next = chain.pop(); next !== undefined; next = chain.pop()) {
      const bytes = this.#remadeBudget < 0 ? undefined : this.#readEntry(next);
      if (bytes === undefined) return false;
      const base = indexAt(bases, next);
      if (base >= 0) {
        parseDeltaHeader(bytes, this.#delta);
        this.#apply(next, base, bytes);
        this.#remadeBudget -= this.#delta.resultSize;
      } else {
        recent.bytes.set(bytes, recent.add(next, bytes.length));
        this.#remadeBudget -= bytes.length;
      }
    }
    return true;
  }

  /** The inflated content of an object's entry; `undefined` if it is too large to be kept. */
  #readEntry(object: number): Buffer | undefined {
    const { offsets } = this.#columns;
    const offset = offsetAt(offsets, object);
    const end = offsetAt(offsets, object + 1);
    const start = this.#readFile(offset, Math.min(offset + MAX_ENTRY_HEADER_BYTES, end));
    const header = this.#header;
    const parsed = parseEntryHeader(start, 0, start.length, header);
    if (parsed !== 'ok') throw damaged(`the entry at ${offset}`);
    if (header.size > this.#recent.maxObjectBytes) return undefined;
    const deflated = this.#readFile(offset + header.length, end);
    const inflated = inflateEntry(this.#memory, deflated, header.size);
    // The scanner has inflated it, so the file has changed since.
    if (typeof inflated === 'string') throw damaged(`the entry at ${offset}`);
    return inflated;
  }

  #readFile(start: number, end: number): Buffer {
    const bytes = Buffer.allocUnsafe(end - start);
    if (!readFully(this.#fd, bytes, start)) throw damaged('an arriving pack');
    return bytes;
  }

  #scratchRoom(): Buffer {
    this.#scratch ??= Buffer.allocUnsafeSlow(OBJECT_HEADER_ROOM + MAX_INFLATED_BYTES);
    return this.#scratch;
  }
}
