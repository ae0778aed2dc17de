import { addAbortSignal, Readable } from 'node:stream';
import type { ObjectBody } from './store.js';

/**
 * Bytes of one read. Two such buffers stay in a processor's own cache, where the kernel copies into
 * and out of them at least cost; smaller ones take more calls.
 */
export const READ_BYTES = 256 * 1024;
/** One is read into while the other is on its way to the client. */
const MAX_SPARE = 2;

/** Where the bytes of a body come from. Its methods are called one after the other. */
export interface ByteSource {
  /** Puts the next bytes at the start of `buffer`; answers how many, and 0 at the end. */
  read(buffer: Buffer): Promise<number>;
  /** Makes a `read` that waits for bytes reject. Default: reads don't wait for long. */
  stop?(): void;
  /** Called once, however the body ends. */
  close(): Promise<void>;
}

/**
 * A stream of what a source reads, which fills the buffers again that its reader gives back. Fresh
 * ones for each read, as other streams have them, cost more than the reading: the kernel has to
 * hand out zeroed pages for them and to take them back.
 */
export class RecyclingBody extends Readable implements ObjectBody {
  readonly #source: ByteSource;
  readonly #bufferBytes: number;
  readonly #spare: Buffer[] = [];
  #reading: Promise<void> = Promise.resolve();

  /** @param limit bytes that there are at most: no buffer is larger. */
  constructor(source: ByteSource, limit: number, signal: AbortSignal | undefined) {
    const bufferBytes = Math.max(1, Math.min(READ_BYTES, limit));
    super({ highWaterMark: bufferBytes });
    this.#source = source;
    this.#bufferBytes = bufferBytes;
    if (signal !== undefined) addAbortSignal(signal, this);
  }

  recycle(chunk: Uint8Array): void {
    const { buffer } = chunk;
    // Anything else was not handed out here: `read(n)` may have joined or split what was.
    const isWhole = buffer instanceof ArrayBuffer && buffer.byteLength === this.#bufferBytes;
    if (isWhole && this.#spare.length < MAX_SPARE) this.#spare.push(Buffer.from(buffer));
  }

  override _read(): void {
    const buffer = this.#spare.pop() ?? Buffer.allocUnsafeSlow(this.#bufferBytes);
    this.#reading = this.#source.read(buffer).then(
      (count) => void this.push(count === 0 ? null : buffer.subarray(0, count)),
      (error) => void this.destroy(error),
    );
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    this.#source.stop?.();
    this.#reading
      .then(() => this.#source.close())
      .then(
        () => callback(error),
        (failure) => callback(error ?? failure),
      );
  }
}
