import { createHash, type Hash, hash } from 'node:crypto';
import { crc32 } from 'node:zlib';
import { SnapshotError } from '../errors.js';
import { isObjectType, OBJECT_HEADER_ROOM, objectHeader } from '../git/object.js';
import {
  EntryType,
  newEntryHeader,
  PACK_HEADER_BYTES,
  PACK_TRAILER_BYTES,
  parseEntryHeader,
  parsePackHeader,
} from './format.js';
import { inflateEntry, isZlibError, maxDeflatedBytes } from './inflate.js';
import { ObjectTable, type ScannedObjects } from './object-table.js';
import { StreamedEntry } from './streamed-entry.js';

/*
 * The first pass over a pack, while it arrives.
 *
 * Every entry is inflated once, which is the only way to find its end. What is kept whole is hashed
 * there and then; of a delta only position, CRC and base are noted. Invariants: `#window[#start,
 * #end)` are the bytes that arrived and are not worked off; `#windowOffset` is the pack offset of
 * `#window[0]`; everything before `#hashed` has entered the pack's own SHA-1. Memory: the window and
 * the object table. Cost: one inflate per object and one SHA-1 over the pack.
 */

const WINDOW_BYTES = 4 * 1024 * 1024;
/** Entries that inflate to more than this are streamed rather than inflated in one call. */
const ONE_SHOT_BYTES = 1024 * 1024;

export interface ScanLimits {
  maxObjects: number;
  maxPackBytes: number;
  maxObjectBytes: number;
}

export interface ScannedPack extends ScannedObjects {
  /** The pack's trailer, 20 bytes: its name. */
  readonly checksum: Buffer;
  /** Bytes of the whole pack. */
  readonly size: number;
}

export class PackScanner {
  readonly #limits: ScanLimits;
  readonly #table = new ObjectTable();
  readonly #packHash: Hash = createHash('sha1');
  readonly #header = newEntryHeader();
  readonly #window = Buffer.allocUnsafeSlow(WINDOW_BYTES);
  readonly #scratch = Buffer.allocUnsafeSlow(ONE_SHOT_BYTES + OBJECT_HEADER_ROOM);
  #windowOffset = 0;
  #start = 0;
  #end = 0;
  #hashed = 0;
  /** Objects that the pack declares; `undefined` until its header has arrived. */
  #declared: number | undefined;
  /** An entry that was cut is not tried again before this many of its bytes are there. */
  #retryAt = 0;
  #streaming: StreamedEntry | undefined;

  constructor(limits: ScanLimits) {
    this.#limits = limits;
  }

  /** Objects found so far, and how many the pack says it has. */
  get progress(): { objects: number; declared: number | undefined } {
    return { objects: this.#table.count, declared: this.#declared };
  }

  /**
   * Works off the next bytes of the pack; the chunk may be reused afterwards.
   *
   * @throws SnapshotError `UPSTREAM_INVALID` for what is no pack, `LIMIT_EXCEEDED`.
   */
  async push(chunk: Uint8Array): Promise<void> {
    let rest = chunk;
    while (rest.length > 0) {
      if (this.#end === WINDOW_BYTES) this.#compact();
      const taken = Math.min(rest.length, WINDOW_BYTES - this.#end);
      this.#window.set(rest.subarray(0, taken), this.#end);
      this.#end += taken;
      rest = rest.subarray(taken);
      if (this.#windowOffset + this.#end > this.#limits.maxPackBytes) {
        throw new SnapshotError(
          'LIMIT_EXCEEDED',
          `the pack is larger than maxPackBytes (${this.#limits.maxPackBytes})`,
        );
      }
      await this.#scan(false);
    }
  }

  /**
   * To be called when the upstream said that the pack is complete.
   *
   * @throws SnapshotError `UPSTREAM_INVALID` when it is cut, has bytes after its trailer, or when the
   * trailer is not the SHA-1 of what came before.
   */
  async finish(): Promise<ScannedPack> {
    await this.#scan(true);
    if (this.#declared === undefined || this.#table.count < this.#declared) {
      throw invalid(`the pack ends after ${this.#table.count} of ${this.#declared ?? '?'} objects`);
    }
    const trailing = this.#end - this.#start;
    if (trailing < PACK_TRAILER_BYTES) throw invalid('the pack ends within its trailer');
    this.#hashUpToStart();
    const checksum = this.#packHash.digest();
    if (!checksum.equals(this.#window.subarray(this.#start, this.#end))) {
      throw invalid('the pack does not have the checksum that its trailer says');
    }
    const end = this.#windowOffset + this.#start;
    return { ...this.#table.finish(end), checksum, size: end + PACK_TRAILER_BYTES };
  }

  /** Frees what a scan that was given up holds. Idempotent. */
  close(): void {
    this.#streaming?.inflate.close();
  }

  async #scan(complete: boolean): Promise<void> {
    if (this.#declared === undefined && !this.#readPackHeader()) return;
    while (this.#table.count < (this.#declared ?? 0)) {
      if (this.#streaming !== undefined) {
        if (!(await this.#continueStreaming(this.#streaming))) return;
        continue;
      }
      const available = this.#end - this.#start;
      if (!complete && available < this.#retryAt && this.#end < WINDOW_BYTES) return;
      if (this.#scanEntry()) {
        this.#retryAt = 0;
        continue;
      }
      if (this.#streaming !== undefined) continue;
      // Doubling bounds the work that trying again repeats.
      this.#retryAt = available * 2;
      return;
    }
    // Found out now rather than at the end: such bytes would fill the window.
    if (this.#end - this.#start > PACK_TRAILER_BYTES)
      throw invalid('bytes follow the end of the pack');
  }

  #readPackHeader(): boolean {
    if (this.#end - this.#start < PACK_HEADER_BYTES) return false;
    const declared = parsePackHeader(this.#window);
    if (declared === undefined) throw invalid('not a version 2 pack');
    if (declared > this.#limits.maxObjects) {
      throw new SnapshotError(
        'LIMIT_EXCEEDED',
        `the pack has ${declared} objects, maxObjects is ${this.#limits.maxObjects}`,
      );
    }
    this.#declared = declared;
    this.#start = PACK_HEADER_BYTES;
    return true;
  }

  /** Scans the entry at `#start`; `false` when it is not there whole, or is to be streamed. */
  #scanEntry(): boolean {
    const header = this.#header;
    const parsed = parseEntryHeader(this.#window, this.#start, this.#end, header);
    if (parsed === 'incomplete') return false;
    this.#checkHeader(parsed === 'ok');
    if (header.size > ONE_SHOT_BYTES) {
      this.#beginStreaming();
      return false;
    }
    const zlibStart = this.#start + header.length;
    const latestEnd = zlibStart + maxDeflatedBytes(header.size);
    const zlibStream = this.#window.subarray(zlibStart, Math.min(this.#end, latestEnd));
    const inflated = inflateEntry(zlibStream, header.size);
    if (inflated === 'invalid') throw this.#invalidEntry('does not inflate to what it declares');
    if (inflated === 'incomplete') {
      if (this.#end < latestEnd) return false;
      throw this.#invalidEntry('has a zlib stream without end');
    }
    const entryEnd = zlibStart + inflated.engine.bytesWritten;
    const crc = crc32(this.#window.subarray(this.#start, entryEnd));
    if (isObjectType(header.type)) {
      const head = objectHeader(header.type, header.size);
      const headLength = this.#scratch.write(head, 0, 'latin1');
      this.#scratch.set(inflated.buffer, headLength);
      const oid = hash('sha1', this.#scratch.subarray(0, headLength + header.size), 'buffer');
      this.#table.addWhole(this.#offset(), crc, header.type, oid);
    } else {
      this.#addDelta(this.#offset(), crc, header.type, header.baseDistance, header.baseOidAt);
    }
    this.#start = entryEnd;
    return true;
  }

  #checkHeader(readable: boolean): void {
    const { type, size } = this.#header;
    const isDelta = type === EntryType.ofsDelta || type === EntryType.refDelta;
    if (!readable || !(isObjectType(type) || isDelta))
      throw this.#invalidEntry('has no valid header');
    if (size > this.#limits.maxObjectBytes) {
      throw new SnapshotError(
        'LIMIT_EXCEEDED',
        `an object has ${size} bytes, maxObjectBytes is ${this.#limits.maxObjectBytes}`,
      );
    }
  }

  #addDelta(offset: number, crc: number, type: number, distance: number, oidAt: number): void {
    if (type === EntryType.refDelta) {
      this.#table.addDeltaById(offset, crc, this.#window.subarray(oidAt, oidAt + 20));
    } else {
      this.#table.addDeltaByOffset(offset, crc, offset - distance);
    }
  }

  #beginStreaming(): void {
    const header = this.#header;
    this.#streaming = new StreamedEntry(this.#offset(), header, this.#window);
    this.#streaming.crc = crc32(this.#window.subarray(this.#start, this.#start + header.length));
    this.#start += header.length;
  }

  /** Feeds the window to the streamed entry; `true` when the entry is complete. */
  async #continueStreaming(entry: StreamedEntry): Promise<boolean> {
    if (this.#start === this.#end) {
      this.#compact();
      return false;
    }
    const bytes = this.#window.subarray(this.#start, this.#end);
    let consumed: number | undefined;
    try {
      consumed = await entry.inflate.write(bytes);
    } catch (error) {
      if (!isZlibError(error)) throw error;
      throw invalid(`the entry at ${entry.offset} does not inflate`, error);
    }
    const used = consumed ?? bytes.length;
    entry.crc = crc32(bytes.subarray(0, used), entry.crc);
    entry.deflated += used;
    if (entry.deflated > maxDeflatedBytes(entry.size)) {
      throw invalid(`the entry at ${entry.offset} has a zlib stream without end`);
    }
    this.#start += used;
    if (consumed === undefined) {
      this.#compact();
      return false;
    }
    entry.inflate.close();
    this.#streaming = undefined;
    if (entry.inflated !== entry.size)
      throw invalid(`the entry at ${entry.offset} is shorter than declared`);
    if (entry.oidHash !== undefined) {
      this.#table.addWhole(entry.offset, entry.crc, entry.type, entry.oidHash.digest());
    } else if (entry.baseOid !== undefined) {
      this.#table.addDeltaById(entry.offset, entry.crc, entry.baseOid);
    } else {
      this.#table.addDeltaByOffset(entry.offset, entry.crc, entry.offset - entry.baseDistance);
    }
    return true;
  }

  /** Moves what is not worked off to the front of the window. */
  #compact(): void {
    this.#hashUpToStart();
    this.#window.copyWithin(0, this.#start, this.#end);
    this.#windowOffset += this.#start;
    this.#end -= this.#start;
    this.#start = 0;
    this.#hashed = 0;
  }

  #hashUpToStart(): void {
    this.#packHash.update(this.#window.subarray(this.#hashed, this.#start));
    this.#hashed = this.#start;
  }

  #offset(): number {
    return this.#windowOffset + this.#start;
  }

  #invalidEntry(what: string): SnapshotError {
    return invalid(`the entry at ${this.#offset()} ${what}`);
  }
}

function invalid(message: string, cause?: unknown): SnapshotError {
  return new SnapshotError('UPSTREAM_INVALID', message, { cause });
}
