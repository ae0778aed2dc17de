import { FileSystemStore } from '../../lib/index.js';
import type { ObjectWriter } from '../../lib/stores/store.js';

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

  override async create(...args: Parameters<FileSystemStore['create']>): Promise<ObjectWriter> {
    const writer = await super.create(...args);
    return {
      write: async (chunk) => {
        await writer.write(chunk);
        this.#written += 1;
        this.#check();
      },
      commit: () => writer.commit(),
      abort: () => writer.abort(),
    };
  }

  #check(): void {
    if (this.#written < this.#expected) return;
    this.#expected = Number.POSITIVE_INFINITY;
    setImmediate(this.#tell);
  }
}
