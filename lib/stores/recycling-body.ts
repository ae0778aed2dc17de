import { Readable } from 'node:stream';
import { destroyOnAbort } from '../async/abort.js';

/** Bytes of one read: two such buffers fit into a processor's own cache, where copies are cheap. */
export const READ_BYTES = 256 * 1024;
/** One buffer of a body is filled while the other is on its way to the client. */
const BUFFERS_OF_A_BODY = 2;

/** The source of a body's bytes. Its methods are called one after the other. */
export interface ByteSource {
  /** Writes the next bytes to the start of `buffer`. Returns how many; 0 at the end. */
  read(buffer: Buffer): Promise<number>;
  /** Makes a waiting `read` reject. Default: reads don't wait for long. */
  stop?(): void;
  /** Called once, however the body ends. */
  close(): Promise<void>;
}

/** Buffers of one size that no body uses now. Bodies can share them. */
export class SpareBuffers {
  readonly bytes: number;
  readonly #most: number;
  readonly #buffers: Buffer[] = [];

  /**
   * @param bytes of each buffer.
   * @param most the number of buffers to keep.
   */
  constructor(bytes: number, most: number) {
    this.bytes = bytes;
    this.#most = most;
  }

  take(): Buffer {
    return this.#buffers.pop() ?? Buffer.allocUnsafeSlow(this.bytes);
  }

  give(buffer: Buffer): void {
    if (this.#buffers.length < this.#most) this.#buffers.push(buffer);
  }
}

/**
 * A stream of a source's bytes. It reuses the buffers that its reader gives back. Other streams
 * take a new buffer for each read. That costs more than the read: the kernel must provide zeroed
 * pages and take them back, and V8 collects garbage more often.
 */
export class RecyclingBody extends Readable {
  readonly #source: ByteSource;
  readonly #spare: SpareBuffers;
  /** Chunks that have not come back. */
  readonly #handedOut = new WeakSet<Uint8Array>();
  #reading: Promise<void> = Promise.resolve();

  /**
   * @param limit the most bytes that the source can have: no buffer of its own is larger.
   * @param shared buffers for sources that are large enough. Default: none are shared.
   */
  constructor(
    source: ByteSource,
    limit: number,
    signal: AbortSignal | undefined,
    shared?: SpareBuffers,
  ) {
    const bytes = Math.max(1, Math.min(READ_BYTES, limit));
    super({ highWaterMark: bytes });
    this.#source = source;
    this.#spare = shared?.bytes === bytes ? shared : new SpareBuffers(bytes, BUFFERS_OF_A_BODY);
    destroyOnAbort(this, signal);
  }

  /**
   * Gives a chunk back, so that the body can use its memory again. A reader calls it at most once
   * for each chunk, and nobody may use the chunk afterwards.
   */
  recycle(chunk: Uint8Array): void {
    // `read(n)` may join chunks, perhaps in Node's pool, whose memory others use. Or it splits a
    // chunk, and the rest is still to be read. In both cases it returns new objects, which are not
    // in `#handedOut`.
    const isWhole = this.#handedOut.delete(chunk);
    // A chunk that its reader has transferred is empty.
    if (isWhole && chunk.length > 0) this.#spare.give(Buffer.from(chunk.buffer));
  }

  override _read(): void {
    const buffer = this.#spare.take();
    this.#reading = this.#source.read(buffer).then(
      (count) => void this.push(count === 0 ? null : this.#chunkOf(buffer, count)),
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

  #chunkOf(buffer: Buffer, count: number): Buffer {
    const chunk = buffer.subarray(0, count);
    this.#handedOut.add(chunk);
    return chunk;
  }
}
