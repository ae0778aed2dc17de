import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { SnapshotError } from '../errors.js';
import {
  type EntryHeader,
  MAX_ENTRY_HEADER_BYTES,
  newEntryHeader,
  parseEntryHeader,
} from './format.js';
import { inflateEntry } from './inflate.js';

const WINDOW_BYTES = 128 * 1024;
const WINDOWS = 64;

/**
 * Random access to the entries of a pack on disk, through a few windows that stay in memory, so that
 * neighbouring entries cost one read. Synchronous: only for worker threads.
 */
export class PackFile {
  readonly size: number;
  readonly #fd: number;
  readonly #header = newEntryHeader();
  /** By window number; the one used longest ago comes first. */
  readonly #windows = new Map<number, Buffer>();

  constructor(readonly path: string) {
    this.#fd = openSync(path, 'r');
    this.size = fstatSync(this.#fd).size;
  }

  /**
   * The bytes `[offset, offset + length)`, valid only until the next call.
   *
   * @throws RangeError when the file does not hold them.
   */
  read(offset: number, length: number): Buffer {
    if (offset < 0 || offset + length > this.size) {
      throw new RangeError(`${length} bytes at ${offset} are not within the pack`);
    }
    const number = Math.floor(offset / WINDOW_BYTES);
    const start = offset - number * WINDOW_BYTES;
    if (start + length <= WINDOW_BYTES) return this.#window(number).subarray(start, start + length);
    const bytes = Buffer.allocUnsafe(length);
    this.readInto(bytes, offset);
    return bytes;
  }

  /** Fills `target` from `offset` on, past the windows. */
  readInto(target: Uint8Array, offset: number): void {
    let done = 0;
    while (done < target.length) {
      const got = readSync(this.#fd, target, done, target.length - done, offset + done);
      if (got === 0) throw new RangeError(`the pack ends before ${offset + target.length}`);
      done += got;
    }
  }

  /**
   * The header of the entry that lies in `[offset, end)`, valid only until the next call. The id of
   * a base given by id is read by `read(offset + header.baseOidAt, 20)`.
   */
  entryHeader(offset: number, end: number): Readonly<EntryHeader> {
    const length = Math.min(MAX_ENTRY_HEADER_BYTES, end - offset);
    const bytes = this.read(offset, length);
    if (parseEntryHeader(bytes, 0, length, this.#header) !== 'ok') {
      throw new SnapshotError('UPSTREAM_INVALID', `the entry at ${offset} has no valid header`);
    }
    return this.#header;
  }

  /** The inflated content of the entry in `[offset, end)`: an object's, or a delta's. */
  inflate(offset: number, end: number, header: Readonly<EntryHeader>): Buffer {
    const zlibStart = offset + header.length;
    const inflated = inflateEntry(this.read(zlibStart, end - zlibStart), header.size);
    if (inflated === 'incomplete' || inflated === 'invalid') {
      throw new SnapshotError('UPSTREAM_INVALID', `the entry at ${offset} does not inflate`);
    }
    return inflated.buffer;
  }

  /** Idempotent. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    closeSync(this.#fd);
  }
  #closed = false;

  #window(number: number): Buffer {
    let window = this.#windows.get(number);
    if (window !== undefined) {
      if (number !== this.#latest) {
        this.#windows.delete(number);
        this.#windows.set(number, window);
        this.#latest = number;
      }
      return window;
    }
    window = this.#evict() ?? Buffer.allocUnsafeSlow(WINDOW_BYTES);
    const offset = number * WINDOW_BYTES;
    this.readInto(window.subarray(0, Math.min(WINDOW_BYTES, this.size - offset)), offset);
    this.#windows.set(number, window);
    this.#latest = number;
    return window;
  }
  #latest = -1;

  #evict(): Buffer | undefined {
    if (this.#windows.size < WINDOWS) return undefined;
    const [oldest] = this.#windows;
    if (oldest === undefined) return undefined;
    this.#windows.delete(oldest[0]);
    return oldest[1];
  }
}
