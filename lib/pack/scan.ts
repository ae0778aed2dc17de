import { crc32 } from 'node:zlib';
import { isObjectType, OID_BYTES } from '../git/object.js';
import { DeltaHeader, parseDeltaHeader } from './delta.js';
import type { Dispatcher } from './dispatcher.js';
import { invalid } from './errors.js';
import {
  EntryHeader,
  EntryType,
  MAX_INFLATED_BYTES,
  maxDeflatedBytes,
  PACK_HEADER_BYTES,
  PACK_TRAILER_BYTES,
  parseEntryHeader,
  parsePackHeader,
} from './format.js';
import { checkLimit, Expansion, type IngestLimits } from './limits.js';
import type { ObjectMemory } from './object-memory.js';
import { type ObjectColumns, ObjectTable, type ScannedObjects } from './object-table.js';
import { PackWindow } from './pack-window.js';
import { StreamedEntry } from './streamed-entry.js';

/*
 * The pass over a pack while it arrives. It inflates every entry once, as there is no other way to
 * find its end, and hands on its content. Memory: the window and the object table. Cost: one
 * inflate and one CRC for each object, one SHA-1 over the pack.
 */

export interface ScannedPack extends ScannedObjects {
  /** The pack's trailer, 20 bytes: its name. */
  readonly checksum: Buffer;
  /** Bytes of the whole pack. */
  readonly size: number;
}

/**
 * Called when the pack's header has arrived, with room for the objects that the header declares.
 * The dispatcher gets all objects but streamed ones, and deltas whose base is given by id.
 */
export type BeginScan = (columns: ObjectColumns) => Dispatcher;

export class PackScanner {
  readonly #limits: IngestLimits;
  readonly #begin: BeginScan;
  readonly #header = new EntryHeader();
  readonly #delta = new DeltaHeader();
  readonly #expansion: Expansion;
  readonly #memory: ObjectMemory;
  readonly #window: PackWindow;
  /** `undefined` until the pack's header has arrived. */
  #begun: { table: ObjectTable; dispatcher: Dispatcher; declared: number } | undefined;
  /** An incomplete entry is tried again when this many of its bytes have arrived. */
  #retryAt = 0;
  #streaming: StreamedEntry | undefined;

  /** @param memory shared with the dispatcher, which may read and overwrite `output` in `add`. */
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

  /** Scans the next bytes. @throws SnapshotError `UPSTREAM_INVALID`, `LIMIT_EXCEEDED` */
  async push(chunk: Uint8Array): Promise<void> {
    for (let rest = chunk; rest.length > 0; ) {
      rest = rest.subarray(this.#window.fill(rest));
      checkLimit('maxPackBytes', this.#limits.maxPackBytes, this.#window.received);
      await this.#scan();
    }
    this.#begun?.dispatcher.flush();
  }

  /** Call it after the last `push`. @throws as `push`, also for a cut pack or a wrong checksum. */
  async finish(): Promise<ScannedPack> {
    this.#retryAt = 0;
    await this.#scan();
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

  /** Idempotent. */
  close(): void {
    this.#streaming?.close();
  }

  async #scan(): Promise<void> {
    const window = this.#window;
    this.#begun ??= this.#readPackHeader();
    if (this.#begun === undefined) return;
    const { table, dispatcher, declared } = this.#begun;
    while (table.count < declared) {
      if (this.#streaming !== undefined) {
        if (!(await this.#continueStreaming(this.#streaming, table))) return;
        continue;
      }
      const { available } = window;
      if (available < this.#retryAt && !window.isFull) return;
      if (!dispatcher.isReady) await dispatcher.ready();
      if (this.#scanEntry(table, dispatcher)) {
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
    const table = new ObjectTable(declared);
    return { table, dispatcher: this.#begin(table.columns), declared };
  }

  /** Scans the entry at the window's start; `false` when it is incomplete, or must be streamed. */
  #scanEntry(table: ObjectTable, dispatcher: Dispatcher): boolean {
    const header = this.#header;
    const window = this.#window;
    const { bytes, start, end } = window;
    const parsed = parseEntryHeader(bytes, start, end, header);
    if (parsed === 'incomplete') return false;
    const isKnown = isObjectType(header.type) || isDelta(header.type);
    if (parsed !== 'ok' || !isKnown) throw this.#invalidEntry('has no valid header');
    checkLimit('maxObjectBytes', this.#limits.maxObjectBytes, header.size);
    const zlibStart = start + header.length;
    if (header.size > MAX_INFLATED_BYTES) {
      this.#streaming = new StreamedEntry(window.offset, bytes.subarray(start, zlibStart));
      window.start = zlibStart;
      return false;
    }
    const latestEnd = zlibStart + maxDeflatedBytes(header.size);
    const deflated = this.#memory.inflate(zlibStart, Math.min(end, latestEnd), header.size);
    if (deflated < 0) throw this.#invalidEntry('does not inflate to what it declares');
    if (deflated === 0) {
      if (end < latestEnd) return false;
      throw this.#invalidEntry('has a zlib stream without end');
    }
    const entryEnd = zlibStart + deflated;
    this.#countObject(header, this.#memory.output, header.size, window.offset + entryEnd - start);
    const crc = crc32(bytes.subarray(start, entryEnd));
    const object = table.add(window.offset, crc, header, bytes);
    window.start = entryEnd;
    if (header.type !== EntryType.refDelta) {
      dispatcher.add(object, this.#memory.output, 0, header.size);
    }
    return true;
  }

  /** @returns whether the entry is complete. */
  async #continueStreaming(entry: StreamedEntry, table: ObjectTable): Promise<boolean> {
    const window = this.#window;
    if (window.available === 0) {
      window.compact();
      return false;
    }
    const { used, complete } = await entry.write(window.bytes.subarray(window.start, window.end));
    window.start += used;
    if (!complete) {
      window.compact();
      return false;
    }
    this.#streaming = undefined;
    const { header, headerBytes, offset, crc, head, oidHash } = entry;
    this.#countObject(header, head, head.length, window.offset);
    const object = table.add(offset, crc, header, headerBytes);
    if (oidHash !== undefined) table.columns.oids.set(oidHash.digest(), object * OID_BYTES);
    return true;
  }

  /** @param content begins with the first `end` bytes of the inflated content. */
  #countObject({ type, size }: EntryHeader, content: Buffer, end: number, received: number): void {
    let resolvedSize = size;
    if (isDelta(type)) {
      parseDeltaHeader(content, this.#delta, 0, end);
      resolvedSize = this.#delta.resultSize;
    }
    this.#expansion.add(resolvedSize, received);
  }

  #invalidEntry(what: string): Error {
    return invalid(`the entry at ${this.#window.offset} ${what}`);
  }
}

function isDelta(type: number): boolean {
  return type === EntryType.ofsDelta || type === EntryType.refDelta;
}
