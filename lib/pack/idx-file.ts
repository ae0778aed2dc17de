import { SnapshotError } from '../errors.js';
import { compareOids, OID_BYTES } from '../git/object.js';
import { FANOUT_AT, IDX_SIGNATURE, IDX_VERSION, OIDS_AT } from './idx-format.js';
import { WindowedFile } from './windowed-file.js';

/*
 * Reading index files: gitformat-pack(5), "Version 2 pack-*.idx files".
 */
const TRAILER_BYTES = 40;

/** Ids among which one is searched without a call for each step. */
const OIDS_AT_ONCE = 128;

/** Finds objects in a pack by id. Synchronous: only for worker threads. */
export class IdxFile {
  /** Objects. */
  readonly count: number;
  readonly #file: WindowedFile;
  readonly #fanout: Buffer;
  readonly #large: number;

  /** @throws SnapshotError `INTERNAL` when the file is no version 2 index of a plausible size. */
  constructor(path: string) {
    this.#file = new WindowedFile(path);
    try {
      if (this.#file.size < OIDS_AT + TRAILER_BYTES) throw damaged(path);
      const head = this.#file.read(0, OIDS_AT);
      if (head.readUInt32BE(0) !== IDX_SIGNATURE || head.readUInt32BE(4) !== IDX_VERSION)
        throw damaged(path);
      this.#fanout = Buffer.from(head.subarray(FANOUT_AT));
      this.count = this.#fanout.readUInt32BE(255 * 4);
      const tables = OIDS_AT + this.count * (OID_BYTES + 8);
      this.#large = (this.#file.size - TRAILER_BYTES - tables) / 8;
      if (this.#large < 0 || !Number.isInteger(this.#large)) throw damaged(path);
    } catch (error) {
      this.#file.close();
      throw error;
    }
  }

  /** The pack offset of the object with this id (20 bytes); `undefined` if it is not in the pack. */
  find(oid: Uint8Array): number | undefined {
    const first = oid[0] ?? 0;
    let low = first === 0 ? 0 : this.#fanout.readUInt32BE((first - 1) * 4);
    let high = this.#fanout.readUInt32BE(first * 4);
    if (high > this.count) throw damaged(this.#file.path);
    while (high - low > OIDS_AT_ONCE) {
      const middle = (low + high) >>> 1;
      const found = this.#file.read(OIDS_AT + middle * OID_BYTES, OID_BYTES);
      if (compareOids(found, 0, oid, 0) <= 0) low = middle;
      else high = middle;
    }
    const start = low;
    const oids = this.#file.read(OIDS_AT + start * OID_BYTES, (high - low) * OID_BYTES);
    while (low < high) {
      const middle = (low + high) >>> 1;
      const order = compareOids(oids, (middle - start) * OID_BYTES, oid, 0);
      if (order === 0) return this.#offset(middle);
      if (order < 0) low = middle + 1;
      else high = middle;
    }
    return undefined;
  }

  /** Idempotent. */
  close(): void {
    this.#file.close();
  }

  #offset(position: number): number {
    const offsetsAt = OIDS_AT + this.count * (OID_BYTES + 4);
    const offset = this.#file.read(offsetsAt + position * 4, 4).readUInt32BE();
    if (offset < 0x8000_0000) return offset;
    const large = offset - 0x8000_0000;
    if (large >= this.#large) throw damaged(this.#file.path);
    return Number(this.#file.read(offsetsAt + this.count * 4 + large * 8, 8).readBigUInt64BE());
  }
}

function damaged(path: string): SnapshotError {
  return new SnapshotError('INTERNAL', `${path} is damaged`);
}
