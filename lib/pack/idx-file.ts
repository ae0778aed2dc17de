import { damagedFile } from '../fs/errors.js';
import { binarySearch } from '../git/binary-search.js';
import { compareOids, OID_BYTES } from '../git/object.js';
import { byteAt } from './elements.js';
import {
  FANOUT_AT,
  FIRST_LARGE_OFFSET,
  IDX_SIGNATURE,
  IDX_TRAILER_BYTES,
  IDX_VERSION,
  OIDS_AT,
} from './format.js';
import { WindowedFile } from './windowed-file.js';

/** A range of ids that is read at once. */
const OIDS_AT_ONCE = 128;
const OFFSETS_AT_ONCE = 64 * 1024;
/** Ids are looked up in random order: 16 MiB, or 600,000 objects, stay in memory. */
const MAX_WINDOWS = 512;

/** Finds objects in a pack by id. Synchronous: only for worker threads. */
export class IdxFile {
  readonly count: number;
  readonly #file: WindowedFile;
  readonly #fanout: Buffer;
  readonly #large: number;

  /** @throws SnapshotError `MIRROR_CORRUPTED` for no version 2 index of a plausible size. */
  constructor(path: string) {
    this.#file = new WindowedFile(path, MAX_WINDOWS);
    try {
      if (this.#file.size < OIDS_AT + IDX_TRAILER_BYTES) throw damagedFile(path);
      const head = this.#file.read(0, OIDS_AT);
      if (head.readUInt32BE(0) !== IDX_SIGNATURE || head.readUInt32BE(4) !== IDX_VERSION)
        throw damagedFile(path);
      this.#fanout = Buffer.from(head.subarray(FANOUT_AT));
      this.count = this.#fanout.readUInt32BE(255 * 4);
      const tables = OIDS_AT + this.count * (OID_BYTES + 8);
      this.#large = (this.#file.size - IDX_TRAILER_BYTES - tables) / 8;
      if (this.#large < 0 || !Number.isInteger(this.#large)) throw damagedFile(path);
    } catch (error) {
      this.#file.close();
      throw error;
    }
  }

  /** The pack offset of the object with this id (20 bytes). */
  find(oid: Uint8Array): number | undefined {
    const position = this.positionOf(oid);
    return position === undefined ? undefined : this.offsetAt(position);
  }

  /** The first position of the id `oids[at, at + 20)`. */
  positionOf(oids: Uint8Array, at = 0): number | undefined {
    const first = byteAt(oids, at);
    let low = first === 0 ? 0 : this.#fanout.readUInt32BE((first - 1) * 4);
    let high = this.#fanout.readUInt32BE(first * 4);
    if (high > this.count || low > high) throw damagedFile(this.#file.path);
    if (high - low > OIDS_AT_ONCE) {
      // Ids are hashes, spread evenly: nearly all are this near to the expected position.
      const share = ((byteAt(oids, at + 1) << 8) | byteAt(oids, at + 2)) / 65536;
      const expected = low + Math.floor((high - low) * share);
      const margin = 32 + Math.ceil(Math.sqrt(high - low));
      const from = expected - margin;
      const to = expected + margin;
      if (from > low && this.#compare(from, oids, at) < 0) low = from;
      if (to < high && this.#compare(to, oids, at) >= 0) high = to + 1;
    }
    while (high - low > OIDS_AT_ONCE) {
      const middle = (low + high) >>> 1;
      if (this.#compare(middle, oids, at) < 0) low = middle;
      else high = middle + 1;
    }
    const start = low;
    const found = this.#file.read(OIDS_AT + start * OID_BYTES, (high - low) * OID_BYTES);
    const end = high;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (compareOids(found, (middle - start) * OID_BYTES, oids, at) < 0) low = middle + 1;
      else high = middle;
    }
    const isFound = low < end && compareOids(found, (low - start) * OID_BYTES, oids, at) === 0;
    return isFound ? low : undefined;
  }

  /** At most two ids that begin with this, 40 hex digits each. @param prefix in lower case. */
  startingWith(prefix: string): string[] {
    const first = Buffer.from(prefix.padEnd(OID_BYTES * 2, '0'), 'hex');
    const start = binarySearch(0, this.count, (at) => this.#compare(at, first, 0) < 0);
    return [start, start + 1]
      .filter((at) => at < this.count)
      .map((at) => this.oidAt(at).toString('hex'))
      .filter((oid) => oid.startsWith(prefix));
  }

  /** The id at a position, 20 bytes, valid only until the next call. */
  oidAt(position: number): Buffer {
    return this.#file.read(OIDS_AT + position * OID_BYTES, OID_BYTES);
  }

  offsetAt(position: number): number {
    const offsetsAt = OIDS_AT + this.count * (OID_BYTES + 4);
    const offset = this.#file.read(offsetsAt + position * 4, 4).readUInt32BE();
    if (offset < FIRST_LARGE_OFFSET) return offset;
    const large = offset - FIRST_LARGE_OFFSET;
    if (large >= this.#large) throw damagedFile(this.#file.path);
    return Number(this.#file.read(offsetsAt + this.count * 4 + large * 8, 8).readBigUInt64BE());
  }

  close(): void {
    this.#file.close();
  }

  /** All pack offsets by position. */
  offsets(): Float64Array {
    const offsets = new Float64Array(this.count);
    const table = Buffer.allocUnsafe(Math.min(OFFSETS_AT_ONCE, this.count) * 4);
    for (let start = 0; start < this.count; start += OFFSETS_AT_ONCE) {
      const end = Math.min(start + OFFSETS_AT_ONCE, this.count);
      const piece = table.subarray(0, (end - start) * 4);
      this.#file.readInto(piece, OIDS_AT + this.count * (OID_BYTES + 4) + start * 4);
      for (let i = start; i < end; i++) {
        const offset = piece.readUInt32BE((i - start) * 4);
        offsets[i] = offset < FIRST_LARGE_OFFSET ? offset : this.offsetAt(i);
      }
    }
    return offsets;
  }

  #compare(position: number, oids: Uint8Array, at: number): number {
    return compareOids(this.oidAt(position), 0, oids, at);
  }
}
