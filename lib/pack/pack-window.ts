import { createHash } from 'node:crypto';

/** The unscanned bytes of a pack: `bytes[start, end)`. The SHA-1 covers all before `#hashed`. */
export class PackWindow {
  readonly bytes: Buffer;
  start = 0;
  end = 0;
  readonly #hash = createHash('sha1');
  #hashed = 0;
  /** The pack offset of `bytes[0]`. */
  #offset = 0;

  constructor(bytes: Buffer) {
    this.bytes = bytes;
  }

  /** The pack offset of the first unscanned byte. */
  get offset(): number {
    return this.#offset + this.start;
  }

  /** How many bytes of the pack have arrived. */
  get received(): number {
    return this.#offset + this.end;
  }

  get available(): number {
    return this.end - this.start;
  }

  get isFull(): boolean {
    return this.end === this.bytes.length;
  }

  /** Takes as many bytes of a chunk as fit. @returns their number. */
  fill(chunk: Uint8Array): number {
    if (this.isFull) this.compact();
    const taken = Math.min(chunk.length, this.bytes.length - this.end);
    this.bytes.set(taken === chunk.length ? chunk : chunk.subarray(0, taken), this.end);
    this.end += taken;
    return taken;
  }

  /** Moves the unscanned bytes to the front. */
  compact(): void {
    this.#hashUpToStart();
    this.bytes.copyWithin(0, this.start, this.end);
    this.#offset += this.start;
    this.end -= this.start;
    this.start = 0;
    this.#hashed = 0;
  }

  /** The SHA-1 of all scanned bytes. Call it once. */
  digest(): Buffer {
    this.#hashUpToStart();
    return this.#hash.digest();
  }

  #hashUpToStart(): void {
    this.#hash.update(this.bytes.subarray(this.#hashed, this.start));
    this.#hashed = this.start;
  }
}
