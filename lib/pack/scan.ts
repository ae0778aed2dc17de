import { crc32 } from 'node:zlib';
import { isObjectType } from '../git/object.js';
import { newDeltaHeader, parseDeltaHeader } from './delta.js';
import { invalid } from './errors.js';
import {
  EntryType,
  MAX_INFLATED_BYTES,
  maxDeflatedBytes,
  newEntryHeader,
  PACK_HEADER_BYTES,
  PACK_TRAILER_BYTES,
  parseEntryHeader,
  parsePackHeader,
} from './format.js';
import { isZlibError } from './inflate.js';
import { checkLimit, Expansion, type IngestLimits } from './limits.js';
import type { ObjectMemory } from './object-memory.js';
import type { ObjectTable, ScannedObjects } from './object-table.js';
import { PackWindow } from './pack-window.js';
import { StreamedEntry } from './streamed-entry.js';

/*
 * The pass over a pack while it arrives.
 *
 * Every entry is inflated once, as there is no other way to find its end, and handed on with its
 * content. Memory: the window and the object table. Cost: one inflate and one CRC for each object,
 * one SHA-1 over the pack.
 */

export interface ScannedPack extends ScannedObjects {
  /** The pack's trailer, 20 bytes: its name. */
  readonly checksum: Buffer;
  /** Bytes of the whole pack. */
  readonly size: number;
}

/** Resolves the objects that a scan finds. */
export interface EntrySink {
  /** Whether an object may be added now. */
  readonly isReady: boolean;
  /** Waits until an object may be added. */
  ready(): Promise<void>;
  /**
   * Takes the entry of an object by its content: `bytes[start, end)`, which is valid during the
   * call. Not called for deltas whose base is given by id, nor for entries that are streamed.
   */
  add(object: number, bytes: Buffer, start: number, end: number): void;
  /** Called after each chunk, when all complete entries were added. */
  flush(): void;
}

/** Called when the pack's header has arrived. @param objects the number that it declares. */
export type BeginScan = (objects: number) => { table: ObjectTable; sink: EntrySink };

export class PackScanner {
  readonly #limits: IngestLimits;
  readonly #begin: BeginScan;
  readonly #header = newEntryHeader();
  readonly #delta = newDeltaHeader();
  readonly #expansion: Expansion;
  readonly #memory: ObjectMemory;
  readonly #window: PackWindow;
  /** `undefined` until the pack's header has arrived. */
  #begun: { table: ObjectTable; sink: EntrySink; declared: number } | undefined;
  /** An incomplete entry is tried again when this many of its bytes have arrived. */
  #retryAt = 0;
  #streaming: StreamedEntry | undefined;

  /** @param memory shared with the sink only, which may read and overwrite `output` in `add`. */
  constructor(limits: IngestLimits, memory: ObjectMemory, begin: BeginScan) {
    this.#limits = limits;
    this.#memory = memory;
    this.#window = new PackWindow(memory.window);
    this.#begin = begin;
    this.#expansion = new Expansion(limits);
  }

  /** Objects found so far, and declared by the pack's header. */
  get progress(): { objects: number; declared: number | undefined } {
    return { objects: this.#begun?.table.count ?? 0, declared: this.#begun?.declared };
  }

  /**
   * Scans the next bytes of the pack; the chunk may be reused afterwards.
   *
   * @throws SnapshotError `UPSTREAM_INVALID` for bytes that are not a pack, `LIMIT_EXCEEDED`.
   */
  async push(chunk: Uint8Array): Promise<void> {
    for (let rest = chunk; rest.length > 0; ) {
      rest = rest.subarray(this.#window.fill(rest));
      checkLimit('maxPackBytes', this.#limits.maxPackBytes, this.#window.received);
      await this.#scan(false);
    }
    this.#begun?.sink.flush();
  }

  /**
   * Call it when the upstream says that the pack is complete.
   *
   * @throws SnapshotError `UPSTREAM_INVALID` when the pack is cut, has bytes after its trailer, or
   * its trailer is not the SHA-1 of the bytes before.
   */
  async finish(): Promise<ScannedPack> {
    await this.#scan(true);
    const { objects, declared } = this.progress;
    if (this.#begun === undefined || objects !== declared) {
      throw invalid(`the pack ends after ${objects} of ${declared ?? '?'} objects`);
    }
    const window = this.#window;
    if (window.available < PACK_TRAILER_BYTES) throw invalid('the pack ends within its trailer');
    const checksum = window.digest();
    if (!checksum.equals(window.bytes.subarray(window.start, window.end))) {
      throw invalid('the pack does not have the checksum that its trailer says');
    }
    const end = window.offset;
    return { ...this.#begun.table.finish(end), checksum, size: end + PACK_TRAILER_BYTES };
  }

  /** Frees the resources of a scan that ended early. Idempotent. */
  close(): void {
    this.#streaming?.inflate.close();
  }

  async #scan(complete: boolean): Promise<void> {
    const window = this.#window;
    this.#begun ??= this.#readPackHeader();
    if (this.#begun === undefined) return;
    const { table, sink, declared } = this.#begun;
    while (table.count < declared) {
      if (this.#streaming !== undefined) {
        if (!(await this.#continueStreaming(this.#streaming, table))) return;
        continue;
      }
      const { available } = window;
      if (!complete && available < this.#retryAt && !window.isFull) return;
      if (!sink.isReady) await sink.ready();
      if (this.#scanEntry(table, sink)) {
        this.#retryAt = 0;
        continue;
      }
      if (this.#streaming !== undefined) continue;
      // Doubling bounds the repeated work.
      this.#retryAt = available * 2;
      return;
    }
    // Checked now, because such bytes would fill the window before the end.
    if (window.available > PACK_TRAILER_BYTES) throw invalid('bytes follow the end of the pack');
  }

  #readPackHeader() {
    if (this.#window.available < PACK_HEADER_BYTES) return undefined;
    const declared = parsePackHeader(this.#window.bytes);
    if (declared === undefined) throw invalid('not a version 2 pack');
    checkLimit('maxObjects', this.#limits.maxObjects, declared);
    this.#window.start = PACK_HEADER_BYTES;
    return { ...this.#begin(declared), declared };
  }

  /** Scans the entry at the window's start; `false` when it is incomplete, or must be streamed. */
  #scanEntry(table: ObjectTable, sink: EntrySink): boolean {
    const header = this.#header;
    const window = this.#window;
    const { bytes, start, end } = window;
    const parsed = parseEntryHeader(bytes, start, end, header);
    if (parsed === 'incomplete') return false;
    this.#checkHeader(parsed === 'ok');
    if (header.size > MAX_INFLATED_BYTES) {
      this.#beginStreaming();
      return false;
    }
    const zlibStart = start + header.length;
    const latestEnd = zlibStart + maxDeflatedBytes(header.size);
    const deflated = this.#memory.inflate(zlibStart, Math.min(end, latestEnd), header.size);
    if (deflated < 0) throw this.#invalidEntry('does not inflate to what it declares');
    if (deflated === 0) {
      if (end < latestEnd) return false;
      throw this.#invalidEntry('has a zlib stream without end');
    }
    const entryEnd = zlibStart + deflated;
    const size = isDelta(header.type)
      ? this.#resultSize(this.#memory.output, header.size)
      : header.size;
    this.#expansion.add(size, window.offset + entryEnd - start);
    const object = this.#addTo(table, crc32(bytes.subarray(start, entryEnd)));
    window.start = entryEnd;
    if (header.type !== EntryType.refDelta) sink.add(object, this.#memory.output, 0, header.size);
    return true;
  }

  #addTo(table: ObjectTable, crc: number): number {
    const { type, baseDistance, baseOidAt } = this.#header;
    const { offset, bytes } = this.#window;
    if (isObjectType(type)) return table.addWhole(offset, crc, type);
    if (type === EntryType.ofsDelta) {
      return table.addDeltaByOffset(offset, crc, offset - baseDistance);
    }
    return table.addDeltaById(offset, crc, bytes.subarray(baseOidAt, baseOidAt + 20));
  }

  #checkHeader(readable: boolean): void {
    const { type, size } = this.#header;
    if (!readable || !(isObjectType(type) || isDelta(type)))
      throw this.#invalidEntry('has no valid header');
    checkLimit('maxObjectBytes', this.#limits.maxObjectBytes, size);
  }

  #beginStreaming(): void {
    const header = this.#header;
    const { bytes, start, offset } = this.#window;
    this.#streaming = new StreamedEntry(offset, header, bytes);
    this.#streaming.crc = crc32(bytes.subarray(start, start + header.length));
    this.#window.start += header.length;
  }

  /** Feeds the window to the streamed entry; `true` when the entry is complete. */
  async #continueStreaming(entry: StreamedEntry, table: ObjectTable): Promise<boolean> {
    const window = this.#window;
    if (window.available === 0) {
      window.compact();
      return false;
    }
    const bytes = window.bytes.subarray(window.start, window.end);
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
    window.start += used;
    if (consumed === undefined) {
      window.compact();
      return false;
    }
    entry.inflate.close();
    this.#streaming = undefined;
    if (entry.inflated !== entry.size)
      throw invalid(`the entry at ${entry.offset} is shorter than declared`);
    const size = isDelta(entry.type) ? this.#resultSize(entry.head, entry.head.length) : entry.size;
    this.#expansion.add(size, window.offset);
    if (entry.oidHash !== undefined) {
      table.addWhole(entry.offset, entry.crc, entry.type, entry.oidHash.digest());
    } else if (entry.baseOid !== undefined) {
      table.addDeltaById(entry.offset, entry.crc, entry.baseOid);
    } else {
      table.addDeltaByOffset(entry.offset, entry.crc, entry.offset - entry.baseDistance);
    }
    return true;
  }

  /** The result size of the delta that begins with `bytes[0, end)`. */
  #resultSize(bytes: Uint8Array, end: number): number {
    parseDeltaHeader(bytes, this.#delta, 0, end);
    return this.#delta.resultSize;
  }

  #invalidEntry(what: string): Error {
    return invalid(`the entry at ${this.#window.offset} ${what}`);
  }
}

function isDelta(type: number): boolean {
  return type === EntryType.ofsDelta || type === EntryType.refDelta;
}
