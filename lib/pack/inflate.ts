import { createInflate, inflateSync } from 'node:zlib';
import { hasCode } from '../errors.js';
import { throwIfStopped } from '../workers/stop.js';
import { MAX_INFLATED_BYTES } from './format.js';
import type { ObjectMemory } from './object-memory.js';

/** The least that zlib takes. */
const MIN_CHUNK = 64;

export type InflateFailure = 'incomplete' | 'invalid';

/**
 * Inflates the zlib stream at the start of `bytes` (more may follow it), which must yield exactly
 * `size` bytes. Entries that fit into `memory` don't go through zlib: to make its engine takes
 * longer than to inflate most entries.
 *
 * @param bytes at most `maxDeflatedBytes(size)`.
 * @throws SnapshotError `ABORTED` when the thread is asked to stop.
 */
export function inflateEntry(
  memory: ObjectMemory,
  bytes: Uint8Array,
  size: number,
): Buffer | InflateFailure {
  throwIfStopped();
  if (size > MAX_INFLATED_BYTES) return inflateByZlib(bytes, size);
  const used = memory.inflateCopied(bytes, size);
  if (used > 0) return Buffer.from(memory.output.subarray(0, size));
  return used === 0 ? 'incomplete' : 'invalid';
}

/** The same by zlib. */
export function inflateByZlib(bytes: Uint8Array, size: number): Buffer | InflateFailure {
  // One byte more: zlib then sees the stream's end in one call, and does not inflate all of a
  // stream that is longer than declared.
  const room = Math.max(size + 1, MIN_CHUNK);
  try {
    const inflated = inflateSync(bytes, { chunkSize: room, maxOutputLength: room });
    return inflated.length === size ? inflated : 'invalid';
  } catch (error) {
    if (hasCode(error, 'Z_BUF_ERROR')) return 'incomplete';
    if (hasCode(error, 'Z_DATA_ERROR', 'Z_NEED_DICT', 'ERR_BUFFER_TOO_LARGE')) return 'invalid';
    throw error;
  }
}

/** Inflates a stream that is too large to be held, piece by piece. */
export class StreamingInflate {
  readonly #engine = createInflate({ chunkSize: 256 * 1024 });
  readonly #invalid: (cause: Error) => Error;

  /** If `onData` throws, `write` throws its error. `invalid` makes the error for invalid bytes. */
  constructor(onData: (chunk: Buffer) => void, invalid: (cause: Error) => Error) {
    this.#invalid = invalid;
    this.#engine.on('data', (chunk: Buffer) => {
      try {
        onData(chunk);
      } catch (error) {
        this.#engine.destroy(error instanceof Error ? error : new Error(String(error)));
      }
    });
    // `write` throws it.
    this.#engine.on('error', () => {});
  }

  /**
   * Resolves once the bytes are inflated.
   *
   * @returns how many of them belong to the stream, if it ends within them; else `undefined`.
   * @throws the errors of `onData` and `invalid`; SnapshotError `ABORTED` as `inflateEntry`.
   */
  async write(bytes: Uint8Array): Promise<number | undefined> {
    throwIfStopped();
    const before = this.#engine.bytesWritten;
    await new Promise<void>((resolve) => {
      const done = () => {
        this.#engine.off('end', done).off('error', done).off('close', done);
        resolve();
      };
      // The stream may end or fail without a call of the write's own callback.
      this.#engine.once('end', done).once('error', done).once('close', done);
      this.#engine.write(bytes, done);
    });
    const { errored, readableEnded, bytesWritten } = this.#engine;
    if (hasCode(errored) && errored.code.startsWith('Z_')) throw this.#invalid(errored);
    if (errored !== null) throw errored;
    return readableEnded ? bytesWritten - before : undefined;
  }

  /** Idempotent. */
  close(): void {
    this.#engine.destroy();
  }
}
