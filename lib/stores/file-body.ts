import type { FileHandle } from 'node:fs/promises';
import { addAbortSignal, Readable } from 'node:stream';
import { SnapshotError } from '../errors.js';
import { withStoreFailure } from './failure.js';
import type { Slice } from './range.js';

/** Larger reads were not faster; 64 KiB, the default of file streams, took four times the CPU time. */
const READ_BYTES = 512 * 1024;

/**
 * The bytes of a slice of an open file. Owns the handle and closes it, however it ends. Unlike a file
 * stream of Node's it fails when the file turns out to be shorter, and fails with coded errors.
 */
export class FileBody extends Readable {
  readonly #handle: FileHandle;
  readonly #stop: number;
  #position: number;

  constructor(handle: FileHandle, { start, stop }: Slice, signal: AbortSignal | undefined) {
    super({ highWaterMark: READ_BYTES });
    this.#handle = handle;
    this.#position = start;
    this.#stop = stop;
    if (signal !== undefined) addAbortSignal(signal, this);
  }

  override _read(): void {
    this.#next().then(
      (chunk) => this.push(chunk),
      (error) => this.destroy(error),
    );
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    // close() waits for a read in progress
    this.#handle.close().then(
      () => callback(error),
      (failure) => callback(error ?? failure),
    );
  }

  async #next(): Promise<Buffer | null> {
    const length = Math.min(READ_BYTES, this.#stop - this.#position);
    if (length === 0) return null;
    const buffer = Buffer.allocUnsafeSlow(length);
    const { bytesRead } = await withStoreFailure(() =>
      this.#handle.read(buffer, 0, length, this.#position),
    );
    if (bytesRead === 0) throw new SnapshotError('STORE_FAILED', 'the file was truncated');
    this.#position += bytesRead;
    return buffer.subarray(0, bytesRead);
  }
}
