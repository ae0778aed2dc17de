import { createHash, type Hash } from 'node:crypto';

/**
 * The bytes of an arriving pack that are not worked off, in one piece, and the SHA-1 of those that are.
 *
 * Invariants: `bytes[start, end)` are the bytes that arrived and are not worked off; everything before
 * `#hashed` has entered the SHA-1.
 */
export class PackWindow {
  readonly bytes: Buffer;
  start = 0;
  end = 0;
  readonly #hash: Hash = createHash('sha1');
  #hashed = 0;
  /** The pack offset of `bytes[0]`. */
  #offset = 0;

  /** @param bytes its memory. */
  constructor(bytes: Buffer) {
    this.bytes = bytes;
  }

  /** The pack offset of the first byte that is not worked off. */
  get offset(): number {
    return this.#offset + this.start;
  }

  /** Bytes that arrived. */
  get received(): number {
    return this.#offset + this.end;
  }

  get available(): number {
    return this.end - this.start;
  }

  /** Whether no more fits in before something is worked off. */
  get isFull(): boolean {
    return this.end === this.bytes.length;
  }

  /** Takes as much of a chunk as there is room for. @returns how much. */
  fill(chunk: Uint8Array): number {
    if (this.isFull) this.compact();
    const taken = Math.min(chunk.length, this.bytes.length - this.end);
    this.bytes.set(taken === chunk.length ? chunk : chunk.subarray(0, taken), this.end);
    this.end += taken;
    return taken;
  }

  /** Moves what is not worked off to the front. */
  compact(): void {
    this.#hashUpToStart();
    this.bytes.copyWithin(0, this.start, this.end);
    this.#offset += this.start;
    this.end -= this.start;
    this.start = 0;
    this.#hashed = 0;
  }

  /** The SHA-1 of all bytes that are worked off. To be called once. */
  digest(): Buffer {
    this.#hashUpToStart();
    return this.#hash.digest();
  }

  #hashUpToStart(): void {
    this.#hash.update(this.bytes.subarray(this.#hashed, this.start));
    this.#hashed = this.start;
  }
}
