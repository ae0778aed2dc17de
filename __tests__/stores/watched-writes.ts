import { FileSystemStore } from '../../lib/index.js';
import type { PutOptions } from '../../lib/stores/index.js';

/** A FileSystemStore that counts the chunks that are written. */
export class WatchedWrites extends FileSystemStore {
  #written = 0;
  #expected = Number.POSITIVE_INFINITY;
  #tell = () => {};

  /** Calls back when this many chunks have been written since the store was made, and their writer went on. */
  afterWrites(count: number, tell: () => void): void {
    this.#expected = count;
    this.#tell = tell;
    this.#check();
  }

  override async put(key: string, body: AsyncIterable<Uint8Array>, options?: PutOptions) {
    return await super.put(key, this.#counted(body), options);
  }

  async *#counted(body: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    for await (const chunk of body) {
      yield chunk;
      this.#written += 1;
      this.#check();
    }
  }

  #check(): void {
    if (this.#written < this.#expected) return;
    this.#expected = Number.POSITIVE_INFINITY;
    setImmediate(this.#tell);
  }
}
