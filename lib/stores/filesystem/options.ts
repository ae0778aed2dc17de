import { z } from 'zod';
import { bytes, callback } from '../../check-options.js';
import { keepReplaced } from '../keep-replaced.js';

export const fileSystemStoreSchema = z.strictObject({
  /** The store makes it if it is missing, and leaves other files in it alone. */
  directory: z.string().min(1, 'must not be empty'),
  /**
   * Bytes of all object files. The store evicts replaced revisions first, then the least recently
   * opened objects. For an object of low priority, it evicts only such objects. If that does not
   * make enough room, the new object is not kept: its `put` succeeds, and the next `open` is a
   * miss. Unfinished writes do not count. Processes that write at the same moment may exceed the
   * limit until the next write. Default: no limit.
   */
  maxBytes: bytes.optional(),
  ...keepReplaced,
  /** Called with the key of each object that this process evicted. Its errors become warnings. */
  onEvict: callback<(key: string) => void>().optional(),
});

/** The options of `FileSystemStore`. */
export type FileSystemStoreOptions = z.input<typeof fileSystemStoreSchema>;
export type FileSystemStoreConfig = z.output<typeof fileSystemStoreSchema>;
