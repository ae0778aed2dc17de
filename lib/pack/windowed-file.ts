import { closeSync, fstatSync, openSync } from 'node:fs';
import { readFully } from './read-fully.js';

const WINDOW_BYTES = 32 * 1024;
const MAX_WINDOWS = 96;

/**
 * Random access to a file through a few windows that stay in memory, so that neighbouring reads cost
 * one system call. Synchronous: only for worker threads. Memory: 3 MiB at most.
 */
export class WindowedFile {
  /** Bytes. */
  readonly size: number;
  readonly #fd: number;
  /** By window number; the one used longest ago comes first. */
  readonly #windows = new Map<number, Buffer>();
  #latest = -1;
  #closed = false;

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
      throw new RangeError(`${this.path} does not hold ${length} bytes at ${offset}`);
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
      if (number !== this.#latest) this.#remember(number, known);
      return known;
    }
    const window = this.#evictOldest() ?? Buffer.allocUnsafeSlow(WINDOW_BYTES);
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

  #evictOldest(): Buffer | undefined {
    if (this.#windows.size < MAX_WINDOWS) return undefined;
    for (const [number, window] of this.#windows) {
      this.#windows.delete(number);
      return window;
    }
    return undefined;
  }
}
