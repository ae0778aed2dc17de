import { LRUCache } from 'lru-cache';
import { isObjectType, OID_BYTES } from '../git/object.js';
import { findOffset, offsetAt, wordAt } from './elements.js';
import { encodeDelta } from './encode-delta.js';
import {
  encodeOfsDeltaEntry,
  encodeOfsDeltaHeader,
  encodeRefDeltaHeader,
  encodeWholeEntry,
} from './encode-entry.js';
import { damaged } from './errors.js';
import {
  type EntryHeader,
  EntryType,
  encodePackHeader,
  PACK_HEADER_BYTES,
  withChecksum,
} from './format.js';
import { ObjectSet } from './object-set.js';
import type { OpenPack } from './pack-list.js';
import { type SortedOffsets, sortOffsets } from './pack-order.js';
import type { ObjectReader } from './reader.js';

/*
 * Writes a pack of objects that are in other packs.
 *
 * Each object is taken from the first pack that has it, in the order of the packs and their
 * entries. Entries are copied as they are: deltas too, if the set has their base. A delta whose
 * base is left out is encoded again: as a delta of an earlier object of the same chain that has
 * lost its base as well, or else as a whole object.
 *
 * No circle of deltas can arise. Every pack is complete, so the base of a delta is taken from the
 * same pack or from an earlier one. Within one pack the chain is the one that ended when the pack
 * was indexed. A chain of objects that are encoded again only goes back.
 *
 * Cost: one read and one SHA-1 of all copied bytes; each delta whose base is left out is inflated,
 * compared and deflated. Memory: 20 bytes for each object of the largest pack, and 8 MiB.
 */

/** The largest piece that is yielded, except for objects that are deflated again. */
const PIECE_BYTES = 1024 * 1024;

/** git's default for `--depth`. */
const MAX_DEPTH = 50;
const RECENT_BYTES = 8 * 1024 * 1024;
const MAX_RECENT_OBJECT_BYTES = 1024 * 1024;

/** An object that was encoded again, and may be the base of others. */
interface RecentBase {
  /** In the new pack. */
  readonly offset: number;
  readonly data: Buffer;
  /** Deltas to be applied to make it. */
  readonly depth: number;
}

/**
 * The bytes of a version 2 pack that holds exactly these objects, the same for the same packs. Each
 * piece is valid until the next is read. Copied entries are not hashed: a caller that needs
 * certainty ingests the result.
 *
 * @throws SnapshotError `MIRROR_CORRUPTED` for a damaged pack, `LIMIT_EXCEEDED` if an object that
 * may not be held in memory is a delta whose base is left out.
 */
export function encodePack(reader: ObjectReader, objects: ObjectSet): Generator<Uint8Array> {
  return withChecksum(encodeEntries(reader, objects));
}

/** All objects of a reader, each once. */
export function everyObject(reader: ObjectReader): ObjectSet {
  const { packs } = reader.packs;
  const objects = new ObjectSet(reader.objectCount);
  for (const [number, { idx, firstNumber }] of packs.entries()) {
    const earlier = packs.slice(0, number);
    const before = Buffer.alloc(OID_BYTES);
    for (let position = 0; position < idx.count; position++) {
      const oid = idx.oidAt(position);
      if (position > 0 && oid.equals(before)) continue;
      oid.copy(before);
      const isKnown = earlier.some((pack) => pack.idx.positionOf(before) !== undefined);
      if (!isKnown) objects.add(firstNumber + position);
    }
  }
  return objects;
}

function* encodeEntries(reader: ObjectReader, objects: ObjectSet): Generator<Uint8Array> {
  yield encodePackHeader(objects.size);
  let offset = PACK_HEADER_BYTES;
  for (const pack of reader.packs.packs) {
    const copy = new PackCopy(reader, objects, pack, offset);
    yield* copy.pieces();
    offset = copy.offset;
  }
}

/** The part of the new pack that is copied from one other pack. */
class PackCopy {
  /** Where in the new pack the next entry begins. */
  offset: number;
  readonly #reader: ObjectReader;
  readonly #objects: ObjectSet;
  readonly #pack: OpenPack;
  readonly #order: SortedOffsets;
  /** Where each entry begins in the new pack; 0 if the new pack does not take it from here. */
  readonly #newOffsets: Float64Array;
  /** The latest objects that lost their base, by the end of their chain: such objects are alike. */
  readonly #recentBases = new LRUCache<number, RecentBase>({
    maxSize: RECENT_BYTES,
    sizeCalculation: ({ data }) => data.length + 100,
  });
  readonly #piece = Buffer.allocUnsafeSlow(PIECE_BYTES);

  constructor(reader: ObjectReader, objects: ObjectSet, pack: OpenPack, offset: number) {
    this.offset = offset;
    this.#reader = reader;
    this.#objects = objects;
    this.#pack = pack;
    this.#order = sortOffsets(pack.idx.offsets());
    this.#newOffsets = new Float64Array(pack.idx.count);
  }

  /** Neighbouring entries that stay as they are form one piece. */
  *pieces(): Generator<Uint8Array> {
    const { firstNumber, pack, idx } = this.#pack;
    const { positions, offsets } = this.#order;
    let runStart = 0;
    let runEnd = 0;
    for (let entry = 0; entry < idx.count; entry++) {
      const number = firstNumber + wordAt(positions, entry);
      if (!this.#objects.has(number)) continue;
      this.#newOffsets[entry] = this.offset;
      const start = offsetAt(offsets, entry);
      const end = entry + 1 < idx.count ? offsetAt(offsets, entry + 1) : pack.end;
      const header = pack.entryHeader(start);
      const { length } = header;
      const changed = this.#change(entry, number, header);
      const copied = changed === undefined ? start : changed.isWhole ? end : start + length;
      if (changed !== undefined || runEnd !== start) {
        yield* this.#copy(runStart, runEnd);
        runStart = copied;
      }
      if (changed !== undefined) yield changed.bytes;
      runEnd = end;
      this.offset += (changed?.bytes.length ?? 0) + end - copied;
    }
    yield* this.#copy(runStart, runEnd);
  }

  /** The bytes that replace an entry or its header; `undefined` if the entry stays. */
  #change(
    entry: number,
    number: number,
    header: Readonly<EntryHeader>,
  ): { readonly bytes: Buffer; readonly isWhole: boolean } | undefined {
    if (isObjectType(header.type)) return undefined;
    const { pack, idx, firstNumber } = this.#pack;
    const { positions, offsets } = this.#order;
    const { size, type, baseDistance } = header;
    const start = offsetAt(offsets, entry);
    let baseOid: Buffer;
    if (type === EntryType.ofsDelta) {
      const base = findOffset(offsets, start - baseDistance, entry);
      if (base === undefined) throw damaged(`the delta at ${start}`);
      const newBase = offsetAt(this.#newOffsets, base);
      if (newBase > 0) {
        const distance = this.offset - newBase;
        if (distance === baseDistance) return undefined;
        return { bytes: encodeOfsDeltaHeader(size, distance), isWhole: false };
      }
      baseOid = Buffer.from(idx.oidAt(wordAt(positions, base)));
    } else {
      baseOid = pack.baseOid(start, header);
    }
    const baseNumber = this.#reader.requireNumber(baseOid);
    if (this.#objects.has(baseNumber)) {
      if (type === EntryType.refDelta) return undefined;
      // Otherwise the pack holds the base twice, and the other entry may be a delta of this one.
      const isElsewhere = baseNumber < firstNumber;
      if (isElsewhere) return { bytes: encodeRefDeltaHeader(size, baseOid), isWhole: false };
    }
    return { bytes: this.#encodeAgain(number), isWhole: true };
  }

  /** The entry of an object that loses its base: a delta of a recent base, or whole. */
  #encodeAgain(number: number): Buffer {
    const { type, data } = this.#reader.read(this.#reader.oidOf(number));
    const chainEnd = this.#reader.chainEndOf(number);
    const base = this.#recentBases.get(chainEnd);
    const mayBeBase = base !== undefined && base.depth < MAX_DEPTH;
    const delta = mayBeBase && encodeDelta(base.data, data, Math.floor(data.length / 2));
    if (data.length <= MAX_RECENT_OBJECT_BYTES) {
      const depth = delta ? base.depth + 1 : 0;
      this.#recentBases.set(chainEnd, { offset: this.offset, data, depth });
    }
    if (!delta) return encodeWholeEntry({ type, data });
    return encodeOfsDeltaEntry(delta, this.offset - base.offset);
  }

  *#copy(start: number, end: number): Generator<Uint8Array> {
    for (let at = start; at < end; at += PIECE_BYTES) {
      const piece = this.#piece.subarray(0, Math.min(PIECE_BYTES, end - at));
      this.#pack.pack.readInto(piece, at);
      yield piece;
    }
  }
}
