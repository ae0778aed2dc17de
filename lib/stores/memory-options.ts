import type { KeepReplacedOptions } from './keep-replaced-options.js';

/** The options of `MemoryStore`. */
export interface MemoryStoreOptions extends KeepReplacedOptions {
  /**
   * Bytes of all objects, including their keys and metadata. The store evicts replaced revisions
   * first, then the least recently opened objects. For an object of low priority, it evicts only
   * such objects. If that does not make enough room, the new object is not kept: its `put`
   * succeeds, and the next `open` is a miss.
   */
  readonly maxBytes: number;
  /**
   * Called with the key of each object that was evicted. Its errors become warnings.
   *
   * @default none
   */
  readonly onEvict?: ((key: string) => void) | undefined;
}
