import { readFully } from '../fs/sync-io.js';
import { damaged } from './errors.js';
import {
  type EntryHeader,
  MAX_ENTRY_HEADER_BYTES,
  newEntryHeader,
  parseEntryHeader,
} from './format.js';
import { inflateEntry } from './inflate.js';
import type { ObjectMemory } from './object-memory.js';

/** Reads entries of a pack that is still being written, by their offsets. Synchronous. */
export class EntryFile {
  readonly #fd: number;
  readonly #memory: ObjectMemory;
  readonly #header = newEntryHeader();
  readonly #start = Buffer.allocUnsafeSlow(MAX_ENTRY_HEADER_BYTES);

  /** @param fd of the file; the caller closes it. */
  constructor(fd: number, memory: ObjectMemory) {
    this.#fd = fd;
    this.#memory = memory;
  }

  /** The header of the entry at `[offset, end)`, valid only until the next call. */
  header(offset: number, end: number): Readonly<EntryHeader> {
    const length = Math.min(MAX_ENTRY_HEADER_BYTES, end - offset);
    const start = this.#start.subarray(0, length);
    if (!readFully(this.#fd, start, offset)) throw changed(offset);
    if (parseEntryHeader(start, 0, length, this.#header) !== 'ok') throw changed(offset);
    return this.#header;
  }

  /** The inflated content of the entry at `[offset, end)`: an object's, or a delta's. */
  inflate(offset: number, end: number, { length, size }: Readonly<EntryHeader>): Buffer {
    const deflated = Buffer.allocUnsafe(end - offset - length);
    if (!readFully(this.#fd, deflated, offset + length)) throw changed(offset);
    const inflated = inflateEntry(this.#memory, deflated, size);
    if (typeof inflated === 'string') throw changed(offset);
    return inflated;
  }
}

/** The entry was inflated when it arrived, so the file has changed since. */
function changed(offset: number): Error {
  return damaged(`the entry at ${offset}`);
}
