import type { KeepReplacedOptions } from '../keep-replaced-options.js';

/** The options of `FileSystemStore`. */
export interface FileSystemStoreOptions extends KeepReplacedOptions {
  /** The store makes it if it is missing, and leaves other files in it alone. */
  readonly directory: string;
  /**
   * Bytes of all object files. The store evicts replaced revisions first, then the least recently
   * opened objects. For an object of low priority, it evicts only such objects. If that does not
   * make enough room, the new object is not kept: its `put` succeeds, and the next `open` is a
   * miss. Unfinished writes do not count. Processes that write at the same moment may exceed the
   * limit until the next write.
   *
   * @default no limit. Risk: the disk fills up.
   */
  readonly maxBytes?: number | undefined;
  /**
   * Called with the key of each object that this process evicted. Its errors become warnings.
   *
   * @default none
   */
  readonly onEvict?: ((key: string) => void) | undefined;
}
