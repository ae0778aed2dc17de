import { SnapshotError } from '../errors.js';

/**
 * Reads a stream of chunks in pieces of any size, and asks for a chunk only when it needs one. One
 * call at a time. The pieces are views, which stay valid; a piece that spans chunks is copied once.
 *
 * @throws SnapshotError `ARCHIVE_INVALID` when the stream ends too early.
 */
export class ByteReader {
  readonly #chunks: AsyncIterator<Uint8Array>;
  #ready: Buffer = Buffer.alloc(0);
  #position = 0;

  constructor(source: AsyncIterable<Uint8Array>) {
    this.#chunks = source[Symbol.asyncIterator]();
  }

  /** Bytes taken so far. */
  get position(): number {
    return this.#position;
  }

  /** Whether the stream has no more bytes. */
  async ended(): Promise<boolean> {
    return !(await this.#fill(1));
  }

  /** The next `count` bytes, without taking them. The caller bounds `count`: they are in memory. */
  async peek(count: number): Promise<Buffer> {
    if (!(await this.#fill(count))) {
      const end = this.#position + this.#ready.length;
      throw new SnapshotError('ARCHIVE_INVALID', `the archive ends too early, after ${end} bytes`);
    }
    return this.#ready.subarray(0, count);
  }

  async take(count: number): Promise<Buffer> {
    const bytes = await this.peek(count);
    this.#advance(count);
    return bytes;
  }

  /** Takes the bytes that have arrived: at least one, at most `limit`. */
  async takeAvailable(limit = Number.POSITIVE_INFINITY): Promise<Buffer> {
    await this.peek(1);
    const bytes = this.#ready.subarray(0, limit);
    this.#advance(bytes.length);
    return bytes;
  }

  async skip(count: number): Promise<void> {
    for (let left = count; left > 0; ) left -= (await this.takeAvailable(left)).length;
  }

  /** Ends the source, unless it has ended. Not during another call. */
  async close(): Promise<void> {
    await this.#chunks.return?.();
  }

  async #fill(count: number): Promise<boolean> {
    if (this.#ready.length >= count) return true;
    const parts: Buffer[] = this.#ready.length > 0 ? [this.#ready] : [];
    let length = this.#ready.length;
    while (length < count) {
      const { done, value } = await this.#chunks.next();
      if (done) break;
      parts.push(Buffer.from(value.buffer, value.byteOffset, value.length));
      length += value.length;
    }
    const [only] = parts;
    this.#ready = only && parts.length === 1 ? only : Buffer.concat(parts, length);
    return length >= count;
  }

  #advance(count: number): void {
    this.#ready = this.#ready.subarray(count);
    this.#position += count;
  }
}
