import { createHash } from 'node:crypto';
import { closeSync, openSync, writeSync } from 'node:fs';
import { encodeDigestFrame } from './digest-frame.js';
import { END_OF_ARCHIVE, encodeTarHeader, padding, type TarEntry } from './tar.js';
import { RAW_BLOCK_BYTES, rawFrameHeader, writeRawBlockHeader, type ZstdEncoder } from './zstd.js';

/*
 * A `snapshot.tar.zst` being written to a file. Tar bytes are gathered and compressed a frame at a
 * time; the content of packs goes past that, as raw blocks. The last frame is a skippable one with
 * the SHA-256 of all before it. Synchronous: only for worker threads. Memory: one frame's input.
 */

/** Input of one compressed frame: enough for a good ratio, and a first frame soon. */
const FRAME_BYTES = 1024 * 1024;

export class ArchiveFile {
  readonly #fd: number;
  readonly #encoder: ZstdEncoder;
  readonly #onWritten: (bytes: number) => void;
  readonly #digest = createHash('sha256');
  readonly #pending = Buffer.allocUnsafeSlow(FRAME_BYTES);
  #pendingBytes = 0;
  #written = 0;
  #closed = false;

  /**
   * @param path an empty file.
   * @param onWritten gets the number of bytes that lie in the file so far.
   */
  constructor(path: string, encoder: ZstdEncoder, onWritten: (bytes: number) => void) {
    this.#fd = openSync(path, 'r+');
    this.#encoder = encoder;
    this.#onWritten = onWritten;
  }

  /** Adds an entry with all of its content. */
  add(entry: Omit<TarEntry, 'size'>, content?: Buffer): void {
    this.#compressed(encodeTarHeader({ ...entry, size: content?.length ?? 0 }));
    if (content !== undefined) {
      this.#compressed(content);
      this.#pad(content.length);
    }
  }

  /** Adds a file whose content comes in pieces. @throws RangeError when they don't add up. */
  async addStream(entry: TarEntry, content: AsyncIterable<Buffer>): Promise<void> {
    this.#compressed(encodeTarHeader(entry));
    let size = 0;
    for await (const piece of content) {
      size += piece.length;
      this.#compressed(piece);
    }
    if (size !== entry.size)
      throw new RangeError(`${entry.path} has ${size} bytes, not ${entry.size}`);
    this.#pad(size);
  }

  /**
   * Adds a file whose bytes do not compress.
   *
   * @param read fills the buffer with the content's bytes from the offset on.
   */
  addIncompressible(entry: TarEntry, read: (target: Buffer, offset: number) => void): void {
    this.#compressed(encodeTarHeader(entry));
    this.#flush();
    if (entry.size > 0) {
      this.#write(rawFrameHeader(entry.size));
      const blocks = 8;
      const stride = 3 + RAW_BLOCK_BYTES;
      const buffer = Buffer.allocUnsafeSlow(blocks * stride);
      for (let offset = 0; offset < entry.size; ) {
        let used = 0;
        for (let i = 0; i < blocks && offset < entry.size; i++) {
          const size = Math.min(RAW_BLOCK_BYTES, entry.size - offset);
          writeRawBlockHeader(buffer, used, size, offset + size === entry.size);
          read(buffer.subarray(used + 3, used + 3 + size), offset);
          used += 3 + size;
          offset += size;
        }
        this.#write(buffer.subarray(0, used));
      }
    }
    this.#pad(entry.size);
  }

  /** Ends the archive. @returns its size in bytes. */
  finish(): number {
    this.#compressed(END_OF_ARCHIVE);
    this.#flush();
    this.#write(encodeDigestFrame(this.#digest.copy().digest()));
    return this.#written;
  }

  /** Idempotent. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    closeSync(this.#fd);
  }

  #pad(size: number): void {
    this.#compressed(Buffer.alloc(padding(size)));
  }

  #compressed(bytes: Buffer): void {
    for (let at = 0; at < bytes.length; ) {
      const taken = bytes.copy(this.#pending, this.#pendingBytes, at);
      this.#pendingBytes += taken;
      at += taken;
      if (this.#pendingBytes === FRAME_BYTES) this.#flush();
    }
  }

  #flush(): void {
    if (this.#pendingBytes === 0) return;
    this.#write(this.#encoder.compress(this.#pending.subarray(0, this.#pendingBytes)));
    this.#pendingBytes = 0;
  }

  #write(bytes: Uint8Array): void {
    this.#digest.update(bytes);
    for (let rest = bytes; rest.length > 0; ) {
      rest = rest.subarray(writeSync(this.#fd, rest));
    }
    this.#written += bytes.length;
    this.#onWritten(this.#written);
  }
}
