import { createHash, type Hash } from 'node:crypto';
import { crc32 } from 'node:zlib';
import { isObjectType, objectHeader } from '../git/object.js';
import { invalid } from './errors.js';
import { EntryHeader, maxDeflatedBytes, parseEntryHeader } from './format.js';
import { StreamingInflate } from './inflate.js';

/** The most bytes that both sizes of a delta take. */
const HEAD_BYTES = 20;

/** An entry too large to be held: its content is hashed as it passes. */
export class StreamedEntry {
  readonly offset: number;
  readonly headerBytes: Buffer;
  readonly header = new EntryHeader();
  /** For an object that is kept whole. */
  readonly oidHash: Hash | undefined;
  /** The first bytes of its content. */
  head: Buffer = Buffer.alloc(0);
  crc: number;
  readonly #inflate: StreamingInflate;
  #deflated = 0;
  #inflated = 0;

  /** @param headerBytes its header, which is copied. */
  constructor(offset: number, headerBytes: Buffer) {
    this.offset = offset;
    this.headerBytes = Buffer.from(headerBytes);
    parseEntryHeader(this.headerBytes, 0, headerBytes.length, this.header);
    const { type, size } = this.header;
    if (isObjectType(type)) this.oidHash = createHash('sha1').update(objectHeader(type, size));
    this.crc = crc32(headerBytes);
    const onChunk = (chunk: Buffer) => {
      this.#inflated += chunk.length;
      if (this.#inflated > size) throw this.#invalid('is longer than declared');
      if (this.head.length < HEAD_BYTES) {
        const more = chunk.subarray(0, HEAD_BYTES - this.head.length);
        this.head = Buffer.concat([this.head, more]);
      }
      this.oidHash?.update(chunk);
    };
    this.#inflate = new StreamingInflate(onChunk, (cause) => {
      return this.#invalid('does not inflate', cause);
    });
  }

  /**
   * @returns how many of the bytes belong to the entry, and whether it is complete.
   * @throws SnapshotError `UPSTREAM_INVALID`
   */
  async write(bytes: Buffer): Promise<{ used: number; complete: boolean }> {
    const consumed = await this.#inflate.write(bytes);
    const used = consumed ?? bytes.length;
    this.crc = crc32(bytes.subarray(0, used), this.crc);
    this.#deflated += used;
    if (this.#deflated > maxDeflatedBytes(this.header.size)) {
      throw this.#invalid('has a zlib stream without end');
    }
    if (consumed === undefined) return { used, complete: false };
    this.close();
    if (this.#inflated !== this.header.size) throw this.#invalid('is shorter than declared');
    return { used, complete: true };
  }

  /** Idempotent. */
  close(): void {
    this.#inflate.close();
  }

  #invalid(what: string, cause?: unknown): Error {
    return invalid(`the entry at ${this.offset} ${what}`, cause);
  }
}
