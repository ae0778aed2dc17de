import { closeSync, fstatSync, openSync } from 'node:fs';
import { isNoFile, readFailure } from '../fs/errors.js';
import { readFully } from '../fs/sync-io.js';

const WINDOW_BYTES = 32 * 1024;
const DEFAULT_WINDOWS = 96;

/**
 * Reads a file at random through a few windows in memory, so that neighbouring reads cost one
 * system call. Synchronous: only for worker threads. Memory: 32 KiB a window.
 */
export class WindowedFile {
  readonly size: number;
  readonly #fd: number;
  /** By window number; the least recently used comes first. */
  readonly #windows = new Map<number, Buffer>();
  #latest = -1;
  #closed = false;

  constructor(
    readonly path: string,
    readonly maxWindows = DEFAULT_WINDOWS,
  ) {
    this.#fd = openExisting(path);
    const stats = fstatSync(this.#fd);
    this.size = stats.isFile() ? stats.size : 0;
  }

  /** Bytes that are valid only until the next call. @throws RangeError beyond the file's end. */
  read(offset: number, length: number): Buffer {
    if (offset < 0 || offset + length > this.size) {
      throw new RangeError(`${this.path} does not hold ${length} bytes at ${offset}`);
    }
    const number = Math.floor(offset / WINDOW_BYTES);
    const start = offset - number * WINDOW_BYTES;
    if (start + length <= WINDOW_BYTES) return this.#window(number).subarray(start, start + length);
    const bytes = Buffer.allocUnsafe(length);
    this.readInto(bytes, offset);
    return bytes;
  }

  /** Fills `target`, starting at `offset`, without the windows. */
  readInto(target: Uint8Array, offset: number): void {
    if (readFully(this.#fd, target, offset)) return;
    throw new RangeError(`${this.path} ends before ${offset + target.length}`);
  }

  /** Idempotent. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    closeSync(this.#fd);
  }

  #window(number: number): Buffer {
    const known = this.#windows.get(number);
    if (known !== undefined) {
      // The order of use matters only once windows are evicted.
      const isFull = this.#windows.size >= this.maxWindows;
      if (isFull && number !== this.#latest) this.#remember(number, known);
      return known;
    }
    const [oldest] = this.#windows.size < this.maxWindows ? [] : this.#windows;
    if (oldest !== undefined) this.#windows.delete(oldest[0]);
    const window = oldest?.[1] ?? Buffer.allocUnsafeSlow(WINDOW_BYTES);
    const offset = number * WINDOW_BYTES;
    this.readInto(window.subarray(0, Math.min(WINDOW_BYTES, this.size - offset)), offset);
    this.#remember(number, window);
    return window;
  }

  #remember(number: number, window: Buffer): void {
    this.#windows.delete(number);
    this.#windows.set(number, window);
    this.#latest = number;
  }
}

/** A missing file was removed by another process, or lost. */
function openExisting(path: string): number {
  try {
    return openSync(path, 'r');
  } catch (error) {
    throw isNoFile(error) ? readFailure(error) : error;
  }
}
