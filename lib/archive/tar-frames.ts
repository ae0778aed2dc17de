import { END_OF_ARCHIVE, encodeTarHeader, type TarEntry } from './tar.js';
import { padding, TAR_BLOCK_BYTES } from './tar-format.js';
import type { ZstdEncoder } from './zstd.js';

/** Input of one frame: large enough for a good ratio, small enough for an early first frame. */
const FRAME_BYTES = 1024 * 1024;

const EMPTY = Buffer.alloc(0);
const ZEROS = Buffer.alloc(TAR_BLOCK_BYTES);

/**
 * Compresses tar entries, a frame at a time. The bytes depend only on the entries and on the calls
 * of `flush`. Memory: one frame's input.
 */
export class TarFrames {
  readonly #encoder: ZstdEncoder;
  readonly #onFrame: (frame: Uint8Array) => void;
  readonly #pending = Buffer.allocUnsafeSlow(FRAME_BYTES);
  #pendingBytes = 0;
  #count = 0;

  constructor(encoder: ZstdEncoder, onFrame: (frame: Uint8Array) => void) {
    this.#encoder = encoder;
    this.#onFrame = onFrame;
  }

  /** Frames so far. */
  get count(): number {
    return this.#count;
  }

  add(entry: Omit<TarEntry, 'size'>, content: Buffer = EMPTY): void {
    this.#gather(encodeTarHeader({ ...entry, size: content.length }));
    this.#gather(content);
    this.#pad(content.length);
  }

  /** Adds a file whose content comes in pieces. @throws RangeError when they don't add up. */
  async addStream(entry: TarEntry, content: AsyncIterable<Buffer>): Promise<void> {
    this.#gather(encodeTarHeader(entry));
    let size = 0;
    for await (const piece of content) {
      size += piece.length;
      this.#gather(piece);
    }
    if (size !== entry.size)
      throw new RangeError(`${entry.path} has ${size} bytes, not ${entry.size}`);
    this.#pad(size);
  }

  end(): void {
    this.#gather(END_OF_ARCHIVE);
    this.flush();
  }

  /** Ends the frame, so that other frames may follow. */
  flush(): void {
    if (this.#pendingBytes === 0) return;
    this.#onFrame(this.#encoder.compress(this.#pending.subarray(0, this.#pendingBytes)));
    this.#pendingBytes = 0;
    this.#count++;
  }

  #pad(size: number): void {
    this.#gather(ZEROS.subarray(0, padding(size)));
  }

  #gather(bytes: Buffer): void {
    for (let at = 0; at < bytes.length; ) {
      const taken = bytes.copy(this.#pending, this.#pendingBytes, at);
      this.#pendingBytes += taken;
      at += taken;
      if (this.#pendingBytes === FRAME_BYTES) this.flush();
    }
  }
}
