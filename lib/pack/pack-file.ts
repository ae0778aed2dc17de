import { OID_BYTES } from '../git/object.js';
import { damaged } from './errors.js';
import {
  type EntryHeader,
  MAX_ENTRY_HEADER_BYTES,
  maxDeflatedBytes,
  newEntryHeader,
  PACK_HEADER_BYTES,
  PACK_TRAILER_BYTES,
  parseEntryHeader,
} from './format.js';
import { inflateEntry } from './inflate.js';
import type { ObjectMemory } from './object-memory.js';
import { WindowedFile } from './windowed-file.js';

/** The entries of a pack on disk, by offset. Synchronous: only for worker threads. */
export class PackFile {
  readonly #file: WindowedFile;
  readonly #memory: ObjectMemory;
  readonly #header = newEntryHeader();

  constructor(path: string, memory: ObjectMemory) {
    this.#memory = memory;
    this.#file = new WindowedFile(path);
  }

  /** Where the last entry ends. */
  get end(): number {
    return this.#file.size - PACK_TRAILER_BYTES;
  }

  /**
   * The header of the entry at `offset`, valid only until the next call.
   *
   * @throws SnapshotError `REPOSITORY_DAMAGED` when the file is damaged: it was sound when it was
   * indexed.
   */
  entryHeader(offset: number): Readonly<EntryHeader> {
    const inside = offset >= PACK_HEADER_BYTES && offset < this.end;
    const length = inside ? Math.min(MAX_ENTRY_HEADER_BYTES, this.end - offset) : 0;
    const bytes = inside ? this.#file.read(offset, length) : Buffer.alloc(0);
    const parsed = parseEntryHeader(bytes, 0, length, this.#header);
    if (parsed !== 'ok') throw damaged(`the header at ${offset}`);
    return this.#header;
  }

  /** The id that a delta at `offset` names as its base. */
  baseOid(offset: number, header: Readonly<EntryHeader>): Buffer {
    return Buffer.from(this.#file.read(offset + header.baseOidAt, OID_BYTES));
  }

  /**
   * The inflated content of the entry at `offset`: an object's, or a delta's.
   *
   * @param end where the entry ends, if known. Otherwise as many bytes are read as this size
   * usually takes, and more if these are too few.
   * @throws SnapshotError `REPOSITORY_DAMAGED` as `entryHeader`.
   */
  inflate(offset: number, header: Readonly<EntryHeader>, end?: number): Buffer {
    const start = offset + header.length;
    const last = Math.min(end ?? this.end, start + maxDeflatedBytes(header.size));
    let length = end === undefined ? header.size + (header.size >> 8) + 64 : last - start;
    for (;;) {
      length = Math.min(length, last - start);
      const inflated = inflateEntry(this.#memory, this.#file.read(start, length), header.size);
      if (typeof inflated === 'object') return inflated;
      if (inflated === 'invalid' || start + length >= last) throw damaged(`the entry at ${offset}`);
      length *= 2;
    }
  }

  /** Fills `target` with raw bytes, starting at `offset`. */
  readInto(target: Uint8Array, offset: number): void {
    this.#file.readInto(target, offset);
  }

  /** Idempotent. */
  close(): void {
    this.#file.close();
  }
}
