import { createHash } from 'node:crypto';
import { closeSync, openSync } from 'node:fs';
import { writeFully } from '../fs/sync-io.js';
import { encodeDigestFrame } from './digest-frame.js';

/** Writes a file of zstd frames that ends with a digest frame. Synchronous: for worker threads. */
export class ArchiveFile {
  readonly #fd: number;
  readonly #digest = createHash('sha256');
  #size = 0;
  #closed = false;

  /** @param path an empty file. */
  constructor(path: string) {
    this.#fd = openSync(path, 'r+');
  }

  /** Bytes in the file so far. */
  get size(): number {
    return this.#size;
  }

  /** Appends a frame, or a piece of one. */
  write(bytes: Uint8Array): void {
    this.#digest.update(bytes);
    writeFully(this.#fd, bytes);
    this.#size += bytes.length;
  }

  /** Appends the digest frame. */
  finish(): void {
    this.write(encodeDigestFrame(this.#digest.copy().digest()));
  }

  /** Idempotent. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    closeSync(this.#fd);
  }
}
